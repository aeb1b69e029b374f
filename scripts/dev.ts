/**
 * `npm run dev`: a hub and two nodes from the sources, each started again when a source of its changes, and the dashboard
 * with hot reload in front. All that is made lies in dist/dev (`--fresh` begins anew); `--gateways` starts OpenClaw too.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { smallHome } from '../tests/support/small-home.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const { values } = parseArgs({
  options: {
    data: { type: 'string', default: `${root}dist/dev` },
    port: { type: 'string', default: '5173' },
    'hub-port': { type: 'string', default: '8101' },
    fresh: { type: 'boolean', default: false },
    gateways: { type: 'boolean', default: false },
  },
})
const { data } = values
const hubUrl = `http://127.0.0.1:${values['hub-port']}`
const pageUrl = `http://127.0.0.1:${values.port}`
const NODES = [
  ['ada', 28_901],
  ['bea', 28_902],
] as const
/** Of this machine alone, and of nothing that is worth keeping. */
const ACCOUNT = { name: 'dev', password: 'dev password', passphrase: 'only for developing this' }

const openclaw = `${root}tests/node_modules/openclaw/openclaw.mjs`
const children = new Set<ChildProcess>()
let stopping = false

if (values.fresh) rmSync(data, { recursive: true, force: true })
mkdirSync(data, { recursive: true, mode: 0o700 })
const secret = (name: string, text: string): string => {
  writeFileSync(`${data}/${name}`, `${text}\n`, { mode: 0o600 })
  return `${data}/${name}`
}
const operatorEnv = {
  ...process.env,
  XDG_CONFIG_HOME: `${data}/operator`,
  OCM_URL: hubUrl,
  OCM_PASSWORD_FILE: secret('password', ACCOUNT.password),
  OCM_PASSPHRASE_FILE: secret('passphrase', ACCOUNT.passphrase),
}

interface Started {
  /** Answers what the first group of `what` matched, as soon as it is printed. */
  said(what: RegExp): Promise<string>
}

/** A part of it, its lines marked with its name. When one ends, all do. */
function start(name: string, args: readonly string[], env: NodeJS.ProcessEnv): Started {
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  let output = ''
  const waiting: (() => void)[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const line of text.trimEnd().split('\n')) console.log(`${name.padEnd(6)} ${line}`)
      for (const look of waiting) look()
    })
  }
  child.once('exit', (code) => {
    children.delete(child)
    if (stopping) return
    console.error(`${name} ended (${code})`)
    void stop(1)
  })
  return {
    said: (what) =>
      new Promise((resolve) => {
        const look = () => {
          const found = what.exec(output)?.[1]
          if (found !== undefined) resolve(found)
        }
        waiting.push(look)
        look()
      }),
  }
}

const run = promisify(execFile)

/** Runs the `ocm` command from its sources and answers what it prints. */
async function ocm(...args: readonly string[]): Promise<string> {
  const main = `${root}packages/operator/src/main.ts`
  const env = operatorEnv
  const { stdout } = await run(process.execPath, [main, ...args, '--yes'], { env })
  return stdout
}

/** Whoever saves a source of the hub meanwhile has it start again, and it does not answer for a moment. */
async function patiently(attempt: () => Promise<void>, times = 5): Promise<void> {
  try {
    await attempt()
  } catch (error) {
    if (times === 0 || stopping) throw error
    await pause(2000)
    await patiently(attempt, times - 1)
  }
}

async function stop(code: number): Promise<void> {
  if (stopping) return
  stopping = true
  await dashboard?.close()
  await Promise.all(
    [...children].map(
      (child) =>
        new Promise<void>((resolve) => {
          child.once('exit', () => resolve())
          child.kill('SIGTERM')
        }),
    ),
  )
  process.exit(code)
}
let dashboard: { close(): Promise<void> } | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))

/** Nothing goes on running behind what failed. */
process.on('uncaughtException', (error) => {
  console.error(error)
  void stop(1)
})

const watched = (main: string, ...args: readonly string[]) => [
  '--watch',
  '--watch-preserve-output',
  `${root}packages/${main}/src/main.ts`,
  ...args,
]

const isNew = !existsSync(`${data}/hub/catalog.sqlite`)
const hub = start(
  'hub',
  watched(
    'hub',
    'serve',
    '--data',
    `${data}/hub`,
    '--port',
    values['hub-port'],
    '--public-url',
    pageUrl,
  ),
  { ...process.env, OCM_LOG: process.env['OCM_LOG'] ?? 'warn' },
)
await hub.said(/OCM hub: (\S+)/)
if (isNew) {
  const link = await hub.said(/(http:\S+\/setup#\S+)/)
  await ocm('setup', '--link', link.replace(pageUrl, hubUrl), '--name', ACCOUNT.name)
}

async function serveNode(name: string, port: number): Promise<void> {
  const home = `${data}/homes/${name}`
  if (!existsSync(`${home}/.openclaw`)) smallHome(home, port)
  const env = { ...process.env, HOME: home }
  const place = ['--state', `${data}/agents/${name}`, '--openclaw-home', home]
  if (existsSync(openclaw)) place.push('--openclaw-bin', openclaw)
  if (values.gateways) {
    start(`claw ${name}`, [openclaw, 'gateway', 'run', '--port', String(port)], env)
  }
  if (!existsSync(`${data}/agents/${name}`)) {
    await patiently(async () => {
      const ticket = await ocm('ticket', '--label', name, '--address', hubUrl, '--json')
      const main = `${root}packages/agent/src/main.ts`
      const joining = run(process.execPath, [main, 'join', ...place, '-'], { env })
      joining.child.stdin?.end((JSON.parse(ticket) as { join: string }).join)
      await joining
    })
  }
  if (!stopping) start(name, watched('agent', 'run', ...place), env)
}

async function serveDashboard(): Promise<void> {
  const { createServer } = await import('vite')
  const server = await createServer({
    root: `${root}packages/ui`,
    logLevel: 'warn',
    clearScreen: false,
    server: {
      host: '127.0.0.1',
      port: Number(values.port),
      strictPort: true,
      proxy: { '/api': { target: hubUrl, ws: true } },
    },
  })
  dashboard = server
  await server.listen()
}

await Promise.all([...NODES.map(([name, port]) => serveNode(name, port)), serveDashboard()])
console.log(`
Dashboard  ${pageUrl}   name: ${ACCOUNT.name}   password: ${ACCOUNT.password}
Vault      passphrase: ${ACCOUNT.passphrase}
Hub        ${hubUrl}
ocm        OCM_URL=${hubUrl} XDG_CONFIG_HOME=${data}/operator OCM_PASSPHRASE_FILE=${data}/passphrase \\
           node packages/operator/src/main.ts nodes
Ready. Ctrl-C ends all of it.`)
