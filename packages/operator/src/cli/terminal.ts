/**
 * The two sides of a terminal: data goes to stdout, everything said to people to stderr. What comes from nodes is shown
 * with its control characters spelled out, so that a file name cannot command the terminal.
 */
import { text as readAll } from 'node:stream/consumers'
import { confirm, isCancel, password, text } from '@clack/prompts'
import { OcmError } from '@ocm/protocol'

export interface Terminal {
  readonly json: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  /** What was asked for: `value` with --json, else `lines`. */
  result(value: unknown, lines: string): void
  /** For people, on stderr; silent with --json. */
  say(line: string): void
  /** Bytes as they are, on stdout. */
  raw(bytes: Uint8Array): void
  /** @throws OcmError 'declined'; 'wrong-use' where there is nobody to ask and --yes was not given */
  approve(question: string): Promise<boolean>
  /** A line: from whoever sits there, else the next line of stdin. @throws OcmError 'wrong-use' when there is none */
  ask(question: string, kind: 'shown' | 'secret', initial?: string): Promise<string>
  /** Somebody sits there. */
  readonly attended: boolean
}

/** A failure that the result has told already: with --json it is not told again, so that stdout holds one value. */
export class Told extends OcmError {}

export interface TerminalOptions {
  readonly json: boolean
  readonly yes: boolean
}

export function openTerminal(proc: NodeJS.Process, { json, yes }: TerminalOptions): Terminal {
  const attended = proc.stdin.isTTY && proc.stderr.isTTY
  const onTerminal = { input: proc.stdin, output: proc.stderr, withGuide: false }
  let lines: string[] | undefined

  const nextLine = async (question: string): Promise<string> => {
    lines ??= (await readAll(proc.stdin)).split(/\r?\n/)
    const line = lines.shift()
    if (line === undefined || (line === '' && lines.length === 0)) {
      throw new OcmError('wrong-use', {
        what: `“${question}” was not answered: nobody is here to ask`,
      })
    }
    return line
  }

  return {
    json,
    env: proc.env,
    attended,
    result: (value, shown) =>
      void proc.stdout.write(
        json ? `${JSON.stringify(value)}\n` : shown === '' ? '' : `${visible(shown)}\n`,
      ),
    say: (line) => {
      if (!json) proc.stderr.write(`${visible(line)}\n`)
    },
    raw: (bytes) => void proc.stdout.write(bytes),
    async approve(question) {
      if (yes) return true
      if (!attended) {
        throw new OcmError('wrong-use', {
          what: 'Nobody is here to approve it; --yes approves it beforehand',
        })
      }
      return answered<boolean>(
        await confirm({ message: question, initialValue: false, ...onTerminal }),
      )
    },
    async ask(question, kind, initial) {
      if (!attended) return nextLine(question)
      const asked =
        kind === 'secret'
          ? await password({ message: question, ...onTerminal })
          : await text({
              message: question,
              ...onTerminal,
              ...(initial === undefined ? {} : { initialValue: initial }),
            })
      return answered<string>(asked ?? '')
    },
  }
}

/** Ctrl-C and Escape in a prompt. */
function answered<T extends string | boolean>(answer: T | symbol): T {
  if (typeof answer === 'symbol' || isCancel(answer)) throw new OcmError('declined')
  return answer
}

/** Control characters, and what turns the direction of text around, as escapes; bytes that are no text as \xNN. */
export function visible(shown: string): string {
  return shown.replaceAll(/[^\P{C}\n\t]/gu, (letter) => {
    const code = letter.codePointAt(0) as number
    if (code >= 0xdc80 && code <= 0xdcff) return `\\x${(code - 0xdc00).toString(16)}`
    return `\\u{${code.toString(16)}}`
  })
}
