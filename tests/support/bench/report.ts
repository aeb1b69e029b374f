/** The figures side by side, and ours as a share of the best of the others. */
import { STEPS, type Step } from './contender.ts'
import { type Figure, type Figures, median } from './figures.ts'

const TOOLS = ['ocm', 'rest', 'restic', 'borg', 'tar', 'openclaw'] as const
type Tool = (typeof TOOLS)[number]

/** What is asked for: the table. */
const REACH = {
  first: 0.8,
  unchanged: 0.3,
  changed: 0.5,
  growth: 0.2,
  restore: 0.85,
  oneFile: 0.5,
  verify: 0.55,
  stored: 1,
} as const
type Ratio = keyof typeof REACH

/** A job's time is by the hub and has neither start nor keys in it. */
const JOBS: ReadonlySet<Step> = new Set(['first', 'unchanged', 'changed', 'restore'])

/** Less than this is lost in what opening takes now and then. */
const LEAST = 0.01

/** Median seconds without start and key derivation. */
function seconds(figures: Figures, tool: Tool, step: Step): number | undefined {
  const isJob = tool === 'ocm' && JOBS.has(step)
  const beside = figures.openingOf(tool)
  const taken = median(
    figures
      .of(tool, step)
      .figures.map((one) => (isJob ? one.seconds : one.seconds - (one.opening ?? beside))),
  )
  return taken === undefined ? undefined : Math.max(LEAST, taken)
}

const of = (figures: Figures, tool: Tool, step: Step, what: (one: Figure) => number) =>
  median(figures.of(tool, step).figures.map(what))

const share = (ours: number | undefined, ...theirs: readonly (number | undefined)[]) => {
  const known = theirs.filter((one) => one !== undefined)
  return ours === undefined || known.length === 0 ? null : round(ours / Math.min(...known))
}

const round = (n: number) => Math.round(n * 1000) / 1000

export function ratiosOf(figures: Figures) {
  const step = (name: Step) =>
    share(
      seconds(figures, 'ocm', name),
      seconds(figures, 'rest', name),
      seconds(figures, 'borg', name),
    )
  const growth = (tool: Tool) => of(figures, tool, 'changed', (one) => one.growth)
  const stored = (tool: Tool) => of(figures, tool, 'first', (one) => one.stored)
  const peak = (name: string) => {
    const all = STEPS.flatMap((one) => figures.of('ocm', one).figures)
    return Math.round(Math.max(0, ...all.map(({ costs }) => costs[name]?.peakMB ?? 0)))
  }
  const ratios: Record<Ratio, number | null> = {
    first: step('first'),
    unchanged: step('unchanged'),
    changed: step('changed'),
    growth: share(growth('ocm'), growth('rest')),
    restore: step('restore'),
    oneFile: step('oneFile'),
    verify: step('verify'),
    stored: share(stored('ocm'), stored('borg')),
  }
  const secondsOf = Object.fromEntries(
    TOOLS.map((tool) => [
      tool,
      Object.fromEntries(
        STEPS.flatMap((name) => {
          const s = seconds(figures, tool, name)
          return s === undefined ? [] : [[name, round(s)]]
        }),
      ),
    ]),
  )
  const openclaw = share(seconds(figures, 'ocm', 'first'), seconds(figures, 'openclaw', 'first'))
  return {
    ratios,
    rss: { agentMB: peak('agent'), hubMB: peak('hub') },
    seconds: secondsOf,
    timesFasterThanOpenclaw: openclaw === null ? null : round(1 / openclaw),
  }
}

const row = (cells: readonly string[]) =>
  cells.map((cell, n) => (n === 0 ? cell.padEnd(10) : cell.padStart(16))).join('')

const amount = (n: number | undefined) => (n === undefined ? '-' : `${(n / 1e6).toFixed(2)} MB`)

export function report(figures: Figures): string {
  const lines: string[] = [
    '',
    'Seconds without process start and key derivation; processor seconds in brackets.',
  ]
  lines.push(row(['', ...TOOLS]))
  for (const step of STEPS) {
    const cells = TOOLS.map((tool) => {
      const s = seconds(figures, tool, step)
      if (s === undefined) return '-'
      const cpu = of(figures, tool, step, processor) ?? 0
      const mark = figures.of(tool, step).isOld ? '*' : ''
      return `${s.toFixed(2)} (${cpu.toFixed(2)})${mark}`
    })
    lines.push(row([step, ...cells]))
  }
  lines.push(
    row([
      'stored',
      ...TOOLS.map((tool) => amount(of(figures, tool, 'first', (one) => one.stored))),
    ]),
    row([
      'growth',
      ...TOOLS.map((tool) => amount(of(figures, tool, 'changed', (one) => one.growth))),
    ]),
    row(['opening', ...TOOLS.map((tool) => `${figures.openingOf(tool).toFixed(2)} s`)]),
    '',
  )
  const { ratios, rss, timesFasterThanOpenclaw } = ratiosOf(figures)
  for (const [name, reach] of Object.entries(REACH)) {
    const is = ratios[name as Ratio]
    const verdict = is === null ? '' : is <= reach ? 'reached' : 'NOT reached'
    lines.push(
      `  ${name.padEnd(10)} ${is === null ? '    -' : is.toFixed(3)}  of ${reach.toFixed(2)}  ${verdict}`,
    )
  }
  lines.push(
    `  peak memory: agent ${rss.agentMB} MB of 320, hub ${rss.hubMB} MB of 200`,
    `  first backup: ${timesFasterThanOpenclaw ?? '-'} times as fast as openclaw backup create --verify`,
  )
  const beside = figures
    .of('ocm', 'restore')
    .figures.flatMap((one) => Object.entries(one.beside ?? {}))
  for (const name of new Set(beside.map(([each]) => each))) {
    const s = median(beside.filter(([each]) => each === name).map(([, each]) => each)) ?? 0
    lines.push(`  restore, beside our part: ${name} ${s.toFixed(2)} s`)
  }
  if (lines.some((line) => /\)\*/.test(line)))
    lines.push('  * from an earlier run on the same data')
  return lines.join('\n')
}

const processor = ({ costs }: Figure) =>
  Object.values(costs).reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
