/**
 * How long nobody speaks in a move of the populated home: of 60 MB, and of 2 GB of which 1 % changes between the base
 * and the fence. OCM's own part, and what OpenClaw takes to stop and to start. `--json`: one object on the last line.
 * `npm run bench -- move [--json] [--only small|large] [--stand-in]`: gateways that stand in cost nothing to start,
 * and OCM's part is the same.
 */
import { closeSync, globSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { Random } from '../support/bench/random.ts'
import { setup } from '../support/build.ts'
import { NAMES } from '../support/canaries.ts'
import { type Downtime, watchMove } from '../support/moves/downtime.ts'
import { Pair } from '../support/moves/pair.ts'
import { standIn } from '../support/moves/stand-in.ts'
import { OPENCLAW } from '../support/openclaw.ts'
import { freshMachine, populatedHome } from '../support/openclaw-home.ts'
import { freePort } from '../support/free-port.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    only: { type: 'string' },
    'stand-in': { type: 'boolean' },
  },
})

const MB = 1 << 20
/** How much lies in the workspace beside what is there, and how much of it changes. */
const SIZES = {
  small: { files: 0, bytes: 0, changed: 0 },
  large: { files: 2000, bytes: MB, changed: 20 },
} as const

const fill = (folder: string, bytes: number, random: Random, files: Iterable<number>) => {
  mkdirSync(folder, { recursive: true })
  for (const i of files) writeFileSync(join(folder, `part-${i}.bin`), random.bytes(bytes))
}

/** A gateway of OpenClaw writes into each of its databases when it ends; one that stands in does not. */
const databasesOf = (home: string) =>
  globSync(`${home}/.openclaw/{state/openclaw,agents/*/agent/openclaw-agent}.sqlite`)

function touch(file: string): void {
  const database = new DatabaseSync(file)
  database.exec('BEGIN; CREATE TABLE touched (by); DROP TABLE touched; COMMIT')
  database.close()
}

async function measured(name: keyof typeof SIZES): Promise<Downtime> {
  const { files, bytes, changed } = SIZES[name]
  const left = await populatedHome()
  const ground = freshMachine(`bench-move-${name}`)
  const random = new Random(1, name)
  const data = join(left, `desk-${NAMES.persona}`, 'data')
  fill(data, bytes, random, Array(files).keys())
  const homes = { left, right: join(ground, 'srv', 'bob') }
  const ports = { left: await freePort(), right: await freePort() }
  const openclaw = values['stand-in'] ? standIn(join(ground, 'stand-in')) : OPENCLAW
  const pair = await Pair.start({ ground, homes, ports, openclaw })
  try {
    await pair.startGateway('left')
    return await watchMove(pair, 'left', [], () => {
      fill(data, bytes, random, Array(changed).keys())
      // A line of a conversation, a note: the smallest delta there is.
      const note = openSync(join(left, `desk-${NAMES.persona}`, 'MEMORY.md'), 'a')
      writeSync(note, '- it moves\n')
      closeSync(note)
      if (values['stand-in']) for (const file of databasesOf(left)) touch(file)
    })
  } finally {
    await pair.stop()
  }
}

if (process.env['OCM_DIST'] === undefined) setup()
const figures: Partial<Record<keyof typeof SIZES, Downtime>> = {}
for (const name of ['small', 'large'] as const) {
  if (values.only !== undefined && values.only !== name) continue
  const found = await measured(name)
  figures[name] = found
  console.log(
    `${name}: ${found.seconds} s, OCM's own ${found.own} s; OpenClaw stops in ${found.openclawStop} s and starts in ${found.openclawStart} s`,
  )
  for (const [step, seconds] of Object.entries(found.steps)) {
    console.log(`  ${step.padEnd(16)}${seconds}`)
  }
}
if (values.json) {
  const of = <T>(what: (found: Downtime) => T) =>
    Object.fromEntries(Object.entries(figures).map(([name, found]) => [name, what(found)]))
  console.log(
    JSON.stringify({
      downtimeOwnSeconds: of(({ own }) => own),
      downtimeSeconds: of(({ seconds }) => seconds),
      openclawSeconds: of(({ openclawStop, openclawStart }) => openclawStop + openclawStart),
      steps: of(({ steps }) => steps),
    }),
  )
}
