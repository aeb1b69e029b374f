/** `npm run check [-- STEP …]`: everything that can be said about the sources without running them. */
import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../', import.meta.url))

const tsc = (project: string) => ['tsc', '-p', project]
const steps: Readonly<Record<string, readonly (readonly string[])[]>> = {
  types: [
    ['packages/ui/node_modules/.bin/vue-tsc', '-p', 'packages/ui'],
    tsc('packages/protocol'),
    tsc('packages/protocol/tsconfig.node.json'),
    tsc('packages/agent'),
    tsc('packages/hub'),
    tsc('packages/operator'),
    tsc('packages/operator/tsconfig.node.json'),
    tsc('tests'),
    tsc('.'),
  ],
  lint: [['oxlint', '--deny-warnings']],
  format: [['oxfmt', '--check']],
  layers: [['depcruise', '--config', '.dependency-cruiser.mjs', 'packages', 'tests']],
  unused: [['knip', '--no-progress']],
  docs: [['node', 'scripts/troubleshooting.ts', '--check']],
}

interface Outcome {
  readonly command: string
  readonly status: number | null
  readonly output: string
  readonly seconds: number
}

function run([program, ...args]: readonly string[]): Promise<Outcome> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, {
      cwd: root,
      env: { ...process.env, PATH: `${root}node_modules/.bin${delimiter}${process.env['PATH']}` },
    })
    let output = ''
    child.stdout.on('data', (text) => (output += text))
    child.stderr.on('data', (text) => (output += text))
    child.on('error', reject)
    child.on('close', (status) => {
      const command = [program, ...args].join(' ')
      resolve({ command, status, output, seconds: (performance.now() - began) / 1000 })
    })
  })
}

const names = process.argv.slice(2)
const unknown = names.find((name) => !Object.hasOwn(steps, name))
if (unknown !== undefined) {
  console.error(`There is no step ${unknown}. Steps: ${Object.keys(steps).join(' ')}`)
  process.exit(2)
}

const queue = Object.entries(steps)
  .filter(([name]) => names.length === 0 || names.includes(name))
  .flatMap(([, commands]) => commands)
let failed = 0

async function worker(): Promise<void> {
  for (let command = queue.shift(); command !== undefined; command = queue.shift()) {
    const outcome = await run(command)
    const mark = outcome.status === 0 ? 'ok    ' : 'FAILED'
    console.log(`${mark} ${outcome.seconds.toFixed(1).padStart(5)} s  ${outcome.command}`)
    if (outcome.status !== 0) {
      failed++
      console.log(outcome.output)
    }
  }
}

await Promise.all([worker(), worker()])
process.exitCode = failed === 0 ? 0 : 1
