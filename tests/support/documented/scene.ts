/**
 * Where documented commands are run: a folder with nothing in it, an operator's home, two nodes with small homes of
 * OpenClaw. The hub is the one that the page itself starts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { standIn } from '../moves/stand-in.ts'
import { gatewayPid } from '../node-state.ts'
import { OPENCLAW_BIN } from '../openclaw.ts'
import { type Answer, PASSPHRASE, PASSWORD, programOf } from '../programs.ts'
import { smallHome } from '../small-home.ts'
import { until } from '../until.ts'
import { ROOT } from './commands.ts'

const NEW_PASSPHRASES = [
  'saddle orbit lilac hammer fjord bishop',
  'turnip velcro amber quiver mosaic ledger',
]

export interface Scene {
  readonly folder: string
  /** Lines that those after them stand on, as in one terminal. */
  readonly preamble: string[]
  /** What the operator has from now on. */
  have(more: Readonly<Record<string, string>>): void
  /** Runs it to its end, in the folder unless the page means its own clone. */
  run(command: string, as?: { readonly home?: string; readonly inClone?: boolean }): Promise<Answer>
  /** Runs it until it has printed `what`, and answers that; it goes on until `stop`, or `stopNewest`. */
  serve(
    command: string,
    what: RegExp,
    as?: { readonly home?: string; readonly inClone?: boolean },
  ): Promise<string>
  stopNewest(): Promise<void>
  readonly homes: Readonly<Record<'study' | 'attic', string>>
  /** What the printed kit says, from now on. */
  keepCode(code: string): void
  /** The passphrase that was new is the one. */
  changed(): void
  stop(): Promise<void>
}

export function openScene(folder: string): Scene {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  const program = standIn(join(folder, 'stand-in'))
  symlinkSync(program, join(bin, 'openclaw'))
  copyFileSync(programOf('ocm-agent'), join(folder, 'ocm-agent.mjs'))
  const homes = { study: join(folder, 'home/study'), attic: join(folder, 'home/attic') }
  smallHome(homes.study, 28_931)
  const skill = join(homes.study, '.openclaw/skills/knots')
  mkdirSync(skill, { recursive: true })
  writeFileSync(join(skill, 'SKILL.md'), '---\nname: knots\ndescription: Ties knots\n---\n')
  smallHome(homes.attic, 28_932)
  const desk = join(folder, 'home/olivia')
  mkdirSync(desk, { recursive: true, mode: 0o700 })
  const secret = (name: string, text: string) => {
    writeFileSync(join(desk, name), `${text}\n`, { mode: 0o600 })
    chmodSync(join(desk, name), 0o600)
    return join(desk, name)
  }
  const fresh = [...NEW_PASSPHRASES]
  const env = {
    PATH: `${dirname(process.execPath)}:${bin}:${OPENCLAW_BIN}:${process.env['PATH']}`,
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    OCM_PASSWORD_FILE: secret('password', PASSWORD),
    OCM_PASSPHRASE_FILE: secret('passphrase', PASSPHRASE),
    OCM_NEW_PASSPHRASE_FILE: secret('new-passphrase', fresh.shift() ?? ''),
    OCM_RECOVERY_CODE_FILE: secret('recovery-code', ''),
  }
  const preamble: string[] = []
  const running: { readonly child: ChildProcess; readonly ended: Promise<void> }[] = []

  function launch(command: string, home: string, inClone: boolean) {
    const shell = ['shopt -s expand_aliases', `cd ${ROOT}`, ...preamble]
    if (!inClone) shell.push(`cd ${folder}`)
    // The last one takes the shell's place, so that it is what is stopped.
    const child = spawn('bash', ['-c', [...shell, command].join('\n')], {
      // What is done in a clone is done by whoever has it, with his own settings of npm.
      env: inClone ? process.env : { ...env, HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const said = { out: '', err: '' }
    child.stdout.on('data', (part: Buffer) => (said.out += part.toString()))
    child.stderr.on('data', (part: Buffer) => (said.err += part.toString()))
    const ended = new Promise<void>((resolve) => {
      child.once('close', () => resolve())
    })
    return { child, said, ended }
  }

  /** With all that it has started. */
  async function end({ child, ended }: (typeof running)[number]): Promise<void> {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    await ended
  }

  return {
    folder,
    preamble,
    have: (more) => void Object.assign(env, more),
    homes,
    async run(command, { home = desk, inClone = false } = {}) {
      const { child, said, ended } = launch(command, home, inClone)
      await ended
      return { code: child.exitCode ?? -1, ...said }
    },
    async serve(command, what, { home = desk, inClone = false } = {}) {
      const { child, said, ended } = launch(command, home, inClone)
      running.push({ child, ended })
      let found: string | undefined
      await until(
        () => {
          if (child.exitCode !== null) throw new Error(`it ended:\n${said.out}${said.err}`)
          found = what.exec(said.out + said.err)?.[0]
          return found !== undefined
        },
        { timeoutMs: 120_000, what: `${command} prints ${what}` },
      )
      return found ?? ''
    },
    async stopNewest() {
      const newest = running.pop()
      if (newest) await end(newest)
    },
    keepCode: (code) => void secret('recovery-code', code),
    changed() {
      secret('passphrase', readFileSync(env.OCM_NEW_PASSPHRASE_FILE, 'utf8').trim())
      secret('new-passphrase', fresh.shift() ?? '')
    },
    async stop() {
      for (const one of running.toReversed()) await end(one)
      for (const home of Object.values(homes)) {
        const pid = gatewayPid(home)
        if (pid !== undefined) process.kill(pid, 'SIGTERM')
      }
    },
  }
}
