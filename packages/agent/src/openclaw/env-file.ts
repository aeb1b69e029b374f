/** Editing a dotenv text line by line: what is not edited stays as it is, comments, order, quotes and line ends included. */

export interface Assignment {
  readonly name: string
  /** What stands behind '=', without surrounding quotes. May hold line ends when it is quoted. */
  readonly value: string
}

/** What becomes of an assignment: another value, `null` for a comment that keeps only its name, or the value it had. */
export type EditAssignment = (assignment: Assignment) => string | null

const NAME = String.raw`[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*(?:=|:[ \t])[ \t]*`
const VALUE = String.raw`"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'|${'`'}(?:\\[\s\S]|[^${'`'}\\])*${'`'}|[^#\r\n]*`
const ASSIGNMENT = new RegExp(`^(${NAME})(${VALUE})`, 'gm')

export function editEnv(text: string, edit: EditAssignment): string {
  return text.replace(
    ASSIGNMENT,
    (whole: string, before: string, name: string, written: string) => {
      const raw = written.trimEnd()
      const quote = /^(["'`])[\s\S]*\1$/.test(raw) && raw.length > 1 ? (raw[0] as string) : ''
      const value = quote === '' ? raw : raw.slice(1, -1)
      const became = edit({ name, value })
      if (became === value) return whole
      if (became === null) return `# ${name}=`
      return before + quoted(became, quote) + written.slice(raw.length)
    },
  )
}

/** In the quotes it had, or in the first that it does not need to escape. */
function quoted(value: string, quote: string): string {
  if (quote !== '' && !value.includes(quote)) return quote + value + quote
  if (quote === '' && !/[#\s'"`]|^$/.test(value)) return value
  const free = ["'", '"', '`'].find((one) => !value.includes(one))
  return free === undefined ? value : free + value + free
}
