/**
 * OCM beside restic, borg and OpenClaw's own backup, on the same data in one run: first backup, unchanged, after 1 %
 * changed, restore, one file, verify. Medians of `--runs`; tools take turns within each round, so that a busy machine
 * hits them all. Process start and key derivation are left out on both sides: of the anchors' wall times the time of a
 * command that only opens the repository (`restic cat config`, `borg list --last 1`), of ours that of `ocm nodes confirm`,
 * which only opens the vault; a job's time is by the hub.
 *
 * Options: --size small|large, --runs N, --only STEPS AND TOOLS, --json, --profile DIR, --no-build. Figures of tools
 * that are left out are taken from the last run on the same data, and marked.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { borg, openclawItself, restic, tar } from '../support/bench/anchors.ts'
import { changeOnePercent, filesIn } from '../support/bench/change.ts'
import { type Contender, STEPS, type Step } from '../support/bench/contender.ts'
import { type Size, datasetAt } from '../support/bench/dataset.ts'
import { type Fingerprint, differences, fingerprintOf } from '../support/bench/fingerprint.ts'
import { type Figure, Figures } from '../support/bench/figures.ts'
import { keptHome } from '../support/bench/kept-home.ts'
import { load } from '../support/bench/measured.ts'
import { newerTools } from '../support/bench/newer-tools.ts'
import { ours } from '../support/bench/ours.ts'
import { ratiosOf, report } from '../support/bench/report.ts'
import { scratch } from '../support/bench/scratch.ts'
import { setup } from '../support/build.ts'

const TOOLS = ['restic', 'rest', 'borg', 'tar', 'openclaw', 'ocm'] as const

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'small' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    profile: { type: 'string' },
    'no-build': { type: 'boolean', default: false },
  },
})
const size = values.size as Size
const runs = Number(values.runs)
const only = values.only?.split(',') ?? []
const known: readonly string[] = [...STEPS, ...TOOLS]
if (
  !['small', 'large'].includes(size) ||
  !(runs > 0) ||
  only.some((name) => !known.includes(name))
) {
  console.error(`backup [--size small|large] [--runs N] [--only ${known.join(',')}] [--json]`)
  process.exit(2)
}
const steps = STEPS.filter((step) => only.includes(step) || !STEPS.some((s) => only.includes(s)))
const tools = TOOLS.filter((tool) => only.includes(tool) || !TOOLS.some((t) => only.includes(t)))

const ground = join(scratch, `backup-${size}`)
mkdirSync(ground, { recursive: true })
// Programs that somebody else has built, or ours; a copy, because others may build meanwhile.
const built = process.env['OCM_DIST'] ?? fileURLToPath(new URL('../../dist', import.meta.url))
if (process.env['OCM_DIST'] === undefined && !values['no-build']) setup()
process.env['OCM_DIST'] = join(ground, 'dist')
rmSync(process.env['OCM_DIST'], { recursive: true, force: true })
cpSync(built, process.env['OCM_DIST'], { recursive: true })

const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim()
const populated = keptHome()
const home = join(ground, 'home')
datasetAt(home, size, join(scratch, 'data'), populated)
const root = join(home, '.openclaw')
const files = filesIn(root)
const bytes = files.reduce((sum, { size: each }) => sum + each, 0)
const newer = newerTools(scratch)

const contenders: Contender[] = []
const add = (
  name: (typeof TOOLS)[number],
  make: (place: { folder: string; home: string }) => Contender,
) => {
  if (tools.includes(name)) contenders.push(make({ folder: join(ground, name), home }))
}
const { restServer } = newer
if (newer.restic) {
  const tool = newer.restic
  add('restic', (place) => restic(tool, place))
  if (restServer !== undefined) add('rest', (place) => restic(tool, place, restServer))
}
if (newer.borg) {
  const tool = newer.borg
  add('borg', (place) => borg(tool, place))
}
add('tar', tar)
add('openclaw', openclawItself)
add('ocm', (place) =>
  ours({ ...place, ...(values.profile === undefined ? {} : { profile: values.profile }) }),
)

console.log(
  `${new Date().toISOString()}  ${commit}  ${size}: ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB  ` +
    `${runs} rounds  node ${process.versions.node}  load ${load()}`,
)
for (const { name, version } of contenders) console.log(`  ${name.padEnd(9)} ${version}`)
for (const note of newer.notes) console.log(`  note: ${note}`)
if (populated === undefined) {
  console.log(
    '  note: no populated home is kept here (npm test makes one): OpenClaw cannot start on this data',
  )
}

const figures = new Figures(join(scratch, `figures-${size}.jsonl`), { commit, begun: Date.now() })

/** Of tools that are slow enough, once has to do. */
const isOnce = ({ name }: Contender) => name === 'openclaw' && size === 'large'

async function take(
  tool: Contender,
  step: Step,
  run: number,
  opening: number | undefined,
): Promise<void> {
  const work = tool.steps[step]
  if (!work || (isOnce(tool) && run > 1)) return
  execFileSync('sync')
  const busy = load()
  const before = step === 'changed' ? tool.stored() : 0
  try {
    const taken = await work()
    const stored = tool.stored()
    figures.add({
      tool: tool.name,
      step,
      run,
      load: busy,
      ...(opening === undefined ? {} : { opening }),
      ...taken,
      stored,
      growth: step === 'changed' ? stored - before : 0,
    } satisfies Omit<Figure, 'commit' | 'begun' | 'at'>)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    console.log(`  ${tool.name} ${step}: ${why.split('\n').slice(0, 12).join('\n    ')}`)
    figures.failed(tool.name, step)
  }
}

/** A command that only opens: taken just before what it is taken from, so that both find the machine alike. */
async function open(tool: Contender): Promise<number | undefined> {
  if (!tool.opening || (isOnce(tool) && figures.openingOf(tool.name) > 0)) return undefined
  const { seconds } = await tool.opening()
  figures.opening(tool.name, seconds)
  return seconds
}

/** Of what takes a few hundredths of a second beside what opening takes, more are needed to tell them apart. */
const TIMES: Partial<Record<Step, number>> = { oneFile: 5 }

async function round(step: Step, many: number): Promise<void> {
  const was = step === 'restore' ? fingerprintOf(root) : undefined
  for (let run = 1; run <= many * (TIMES[step] ?? 1); run++) {
    if (step === 'changed') {
      const changed = changeOnePercent(home, run)
      console.log(
        `  ${(changed.bytes / 1e6).toFixed(2)} MB changed, ${changed.percent.toFixed(2)} %`,
      )
    }
    for (const tool of contenders) {
      // Whoever has no store yet cannot be asked for the rest.
      if (step !== 'first' && figures.hasFailed(tool.name, 'first')) continue
      const opening = step !== 'first' && tool.steps[step] ? await open(tool) : undefined
      await take(tool, step, run, opening)
      if (was && run === 1 && tool.steps.restore) compare(tool, was)
    }
    for (const tool of step === 'first' ? contenders : []) {
      if (!figures.hasFailed(tool.name, 'first')) await open(tool)
    }
  }
}

function compare({ name, restored = root }: Contender, was: Fingerprint): void {
  const differing = differences(restored, was)
  const some = differing.slice(0, 3).join(', ')
  const verdict = differing.length === 0 ? 'as they were' : `${differing.length} DIFFER: ${some}`
  console.log(`  ${name.padEnd(9)} restored   ${was.size} files compared, ${verdict}`)
}

try {
  for (const step of STEPS) {
    if (steps.includes(step)) await round(step, runs)
    else if (step === 'first') await round(step, 1)
  }
} finally {
  for (const tool of contenders) await tool.stop()
}

const text = report(figures)
console.log(text)
const latest = `${new Date().toISOString()} ${commit} ${size} load ${load()}\n${text}\n`
writeFileSync(join(scratch, 'latest.txt'), latest)
if (values.json) console.log(JSON.stringify(ratiosOf(figures)))
