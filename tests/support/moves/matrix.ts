/** The ways in which the place that a node is moved to differs from the one it was at. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { NAMES } from '../canaries.ts'
import type { Under } from '../programs.ts'
import { movedHome } from './moved-home.ts'

/** The ground of one row: the populated home at its usual place, and a machine to move it to. */
export interface Ground {
  readonly source: string
  readonly machine: string
  readonly ports: { readonly source: number; readonly target: number }
}

/** What a row makes of it. */
export interface Laid {
  /** The home that it goes to. */
  readonly target: string
  readonly sourceUnder?: Under
  readonly targetUnder?: Under
  /** More words for `ocm move`. */
  readonly options?: readonly string[]
  /** What the tree is scanned for, if it is not the home. */
  readonly old?: string
  /** Where the moved tree lies, if it is not the machine. */
  readonly trees?: readonly string[]
  /** OpenClaw lists something else of a node that is laid so; what it lists afterwards is compared with that. */
  readonly isListedAnew?: boolean
  /** Beside what holds of every row. @returns what is wrong */
  readonly check?: () => readonly string[]
  undo?(): void
}

export interface Row {
  readonly name: string
  readonly needs?: 'root'
  lay(ground: Ground): Laid
}

const stateOf = (home: string) => join(home, '.openclaw')
const configOf = (home: string) => join(stateOf(home), 'openclaw.json')
const desk = (home: string) => join(home, `desk-${NAMES.persona}`)

/** As text, so that what is written by hand stays. */
function edit(home: string, ...changes: readonly (readonly [was: string, is: string])[]): void {
  let text = readFileSync(configOf(home), 'utf8')
  for (const [was, is] of changes) {
    if (!text.includes(was)) throw new Error(`the configuration does not say ${was}`)
    text = text.replaceAll(was, is)
  }
  writeFileSync(configOf(home), text)
}

const lacks = (text: string, ...words: readonly string[]): readonly string[] =>
  words.filter((word) => !text.includes(word)).map((word) => `lacks ${word}`)

const homeAt = (...parts: readonly string[]): string => {
  const home = join(...parts)
  mkdirSync(home, { recursive: true })
  return home
}

/** An account with a home of its own; taken away afterwards. */
function account(name: string): { readonly home: string; readonly under: Under } {
  spawnSync('userdel', ['-r', name], { stdio: 'ignore' })
  execFileSync('useradd', ['-m', '-s', '/bin/sh', name])
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  const home = `/home/${name}`
  return { home, under: { account: { uid: id('-u'), gid: id('-g') } } }
}

const remove = (name: string) => void spawnSync('userdel', ['-r', name], { stdio: 'ignore' })

/** Files under a directory that are not of that user. */
const foreign = (folder: string, uid: number): readonly string[] =>
  execFileSync('find', [folder, '!', '-uid', String(uid)], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)

export const ROWS: readonly Row[] = [
  {
    name: 'another home',
    lay: ({ machine }) => ({ target: homeAt(machine, 'srv', 'bob') }),
  },
  {
    name: 'a home path that is the beginning of another path',
    lay: ({ source, machine }) => {
      const twin = `${source}beth`
      mkdirSync(twin, { recursive: true })
      edit(source, ['"OCM_HOME": ', `"TWIN": "${twin}/shared", "OCM_HOME": `])
      symlinkSync(`${twin}/shared`, join(desk(source), 'twin'))
      const target = homeAt(machine, 'home', 'al')
      return {
        target,
        check: () =>
          lacks(readFileSync(configOf(target), 'utf8'), `${twin}/shared`, `${target}/mcp`),
      }
    },
  },
  {
    name: 'blanks and letters beyond ASCII in paths, on both sides',
    lay: ({ source, machine }) => {
      const spaced = join(source, 'Bücher und Söhne')
      renameSync(desk(source), spaced)
      edit(source, [desk(source), spaced])
      return { target: homeAt(machine, 'srv', "Zoë O'Neill", '日本 家') }
    },
  },
  {
    name: 'from none to a profile',
    lay: ({ machine }) => ({
      target: homeAt(machine, 'srv', 'bob'),
      targetUnder: { env: { OPENCLAW_PROFILE: 'ops' } },
    }),
  },
  {
    name: 'from a profile to none',
    lay: ({ source, machine }) => {
      renameSync(stateOf(source), `${stateOf(source)}-ops`)
      const under = { env: { OPENCLAW_PROFILE: 'ops' } }
      const state = `${stateOf(source)}-ops`
      rekey(state, stateOf(source), state)
      const text = readFileSync(join(state, 'openclaw.json'), 'utf8')
      writeFileSync(
        join(state, 'openclaw.json'),
        text.replaceAll(`${stateOf(source)}/`, `${state}/`),
      )
      return { target: homeAt(machine, 'srv', 'bob'), sourceUnder: under }
    },
  },
  {
    name: 'workspaces outside the home',
    lay: ({ source, machine }) => {
      const outside = join(source, '..', '..', 'data', 'quill')
      mkdirSync(join(outside, '..'), { recursive: true })
      renameSync(desk(source), outside)
      edit(source, [`"workspace": "${desk(source)}"`, `"workspace": "${outside}"`])
      const to = join(machine, 'data', 'writing')
      return {
        target: homeAt(machine, 'srv', 'bob'),
        options: ['--root', `workspace:${NAMES.persona}=${to}`],
        check: () => [
          ...(existsSync(join(to, 'MEMORY.md')) ? [] : ['the workspace is not where it was to go']),
          ...(existsSync(join(outside, 'MEMORY.md')) ? [] : ['the old workspace is gone']),
        ],
      }
    },
  },
  {
    name: 'relative paths, and such with ~',
    lay: ({ source, machine }) => {
      const target = homeAt(machine, 'srv', 'bob')
      edit(
        source,
        [`"workspace": "${desk(source)}"`, `"workspace": "~/desk-${NAMES.persona}"`],
        [`"file": "${source}/logs/openclaw.log"`, '"file": "~/logs/openclaw.log"'],
        [`"${source}/mcp/server.mjs"`, '"./server.mjs"'],
      )
      return {
        target,
        check: () => [
          ...lacks(
            readFileSync(configOf(target), 'utf8'),
            '"./server.mjs"',
            '"~/logs/openclaw.log"',
          ),
          ...(existsSync(join(desk(target), 'MEMORY.md')) ? [] : ['no workspace in the new home']),
        ],
      }
    },
  },
  {
    name: 'includes, one within the other, by absolute and relative paths',
    lay: ({ source, machine }) => {
      const state = stateOf(source)
      mkdirSync(join(state, 'parts'))
      renameSync(join(state, 'models.json5'), join(state, 'parts', 'models.json5'))
      writeFileSync(
        join(state, 'parts', 'hub.json5'),
        `{ $include: '${join(state, 'parts', 'models.json5')}' } // one within the other\n`,
      )
      edit(source, ['"./models.json5"', `"${join(state, 'parts', 'hub.json5')}"`])
      const target = homeAt(machine, 'srv', 'bob')
      const hub = join(stateOf(target), 'parts', 'hub.json5')
      return {
        target,
        check: () => [
          ...lacks(readFileSync(configOf(target), 'utf8'), hub),
          ...lacks(
            readFileSync(hub, 'utf8'),
            join(stateOf(target), 'parts', 'models.json5'),
            '// one within the other',
          ),
        ],
      }
    },
  },
  {
    name: "a persona's own directory elsewhere",
    lay: ({ source, machine }) => {
      const usual = join(stateOf(source), 'agents', NAMES.persona, 'agent')
      const custom = join(source, 'personas', 'quill')
      mkdirSync(join(custom, '..'), { recursive: true })
      renameSync(usual, custom)
      edit(source, [`"agentDir": "${usual}"`, `"agentDir": "${custom}"`])
      const database = new DatabaseSync(join(stateOf(source), 'state', 'openclaw.sqlite'))
      const path = join(custom, 'openclaw-agent.sqlite')
      database
        .prepare('UPDATE agent_databases SET path = ? WHERE agent_id = ?')
        .run(path, NAMES.persona)
      database.close()
      const target = homeAt(machine, 'srv', 'bob')
      const there = join(target, 'personas', 'quill', 'openclaw-agent.sqlite')
      return {
        target,
        // It looks for conversations where they usually are.
        isListedAnew: true,
        check: () => (existsSync(there) ? [] : ['its database did not come along']),
      }
    },
  },
  {
    name: 'a target with personas and cron jobs of its own, which are kept for going back',
    lay: ({ machine, ports }) => {
      const target = movedHome(homeAt(machine, 'srv', 'bob'), ports.target, 'http://127.0.0.1:9')
      return {
        target,
        trees: [stateOf(target), desk(target)],
        check: () => {
          const kept = readdirSync(target).find((name) => name.startsWith('.openclaw.ocm-before'))
          if (kept === undefined) return ['what was there before is gone']
          const file = join(target, kept, 'state', 'openclaw.sqlite')
          const database = new DatabaseSync(file, { readOnly: true })
          const { n } = database.prepare('SELECT count(*) AS n FROM cron_jobs').get() as {
            n: number
          }
          database.close()
          return n === 3 ? [] : [`${n} of its 3 jobs are kept`]
        },
      }
    },
  },
  {
    name: 'another account',
    needs: 'root',
    lay: ({ source, machine }) => {
      const [from, to] = [account('ocm-move-a'), account('ocm-move-b')]
      const uids = [from, to].map(({ under }) => under.account?.uid ?? 0)
      execFileSync('chown', ['-R', `${uids[0]}:${uids[0]}`, source])
      chmodSync(machine, 0o777)
      return {
        target: to.home,
        sourceUnder: from.under,
        targetUnder: to.under,
        trees: [to.home],
        check: () => foreign(to.home, uids[1] ?? 0).map((path) => `${path} is another's`),
        undo: () => ['ocm-move-a', 'ocm-move-b'].forEach(remove),
      }
    },
  },
]

/** As if it had always been at its new place. */
function rekey(state: string, was: string, is: string): void {
  const database = new DatabaseSync(join(state, 'state', 'openclaw.sqlite'))
  for (const table of ['cron_jobs', 'cron_job_scratch', 'cron_run_receipts']) {
    database
      .prepare(`UPDATE ${table} SET store_key = replace(store_key, ?, ?)`)
      .run(`${was}/`, `${is}/`)
  }
  database.close()
}
