/** Bytes, ages, durations and moments as people read them, in one language. */
export interface Format {
  /** "1.4 MB"; decimal units, as disks and networks are sold. */
  bytes(count: number): string
  /** "3 min. ago", "now", "in 2 hr.". */
  age(at: number, now: number): string
  /** "850ms", "4.2s", "1m 20s", "2h 5m". */
  duration(ms: number): string
  /** "25 Nov 2026, 13:22". */
  moment(at: number): string
  count(n: number): string
  /** 0 to 1 as "43%". */
  share(part: number): string
}

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte', 'petabyte']
const AGES: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 31_557_600_000],
  ['month', 2_629_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
]

export function formatIn(locale: string): Format {
  const unit = (name: string, unitDisplay: 'long' | 'short' | 'narrow', digits = 0) =>
    new Intl.NumberFormat(locale, {
      style: 'unit',
      unit: name,
      unitDisplay,
      maximumFractionDigits: digits,
    })
  const time = (name: string, amount: number, digits = 0) =>
    unit(name, 'narrow', digits).format(amount)
  const relative = new Intl.RelativeTimeFormat(locale, { style: 'short', numeric: 'auto' })
  const moments = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  const counts = new Intl.NumberFormat(locale)
  const shares = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 })

  return {
    bytes(count) {
      let size = 0
      let value = count
      // 999.95 would be rounded to "1,000 kB".
      while (value >= 999.5 && size < SIZES.length - 1) {
        value /= 1000
        size++
      }
      const name = SIZES[size] as string
      if (size === 0) return unit(name, 'long').format(value)
      return unit(name, 'short', value >= 99.5 ? 0 : 1).format(value)
    },
    age(at, now) {
      const past = at - now
      const found = AGES.find(([, length]) => Math.abs(past) >= length)
      if (found === undefined) return relative.format(0, 'second')
      return relative.format(Math.trunc(past / found[1]), found[0])
    },
    duration(ms) {
      if (ms < 1000) return time('millisecond', Math.round(ms))
      if (ms < 10_000) return time('second', Math.floor(ms / 100) / 10, 1)
      const seconds = Math.floor(ms / 1000)
      if (seconds < 60) return time('second', seconds)
      const minutes = Math.floor(seconds / 60)
      if (minutes < 60) return `${time('minute', minutes)} ${time('second', seconds % 60)}`
      return `${time('hour', Math.floor(minutes / 60))} ${time('minute', minutes % 60)}`
    },
    moment: (at) => moments.format(at),
    count: (n) => counts.format(n),
    share: (part) => shares.format(part),
  }
}
