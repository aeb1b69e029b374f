/** The program of the stand-in; see stand-in.ts. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { About } from './stand-in.ts'

const [called = '', ...args] = process.argv.slice(1)
// In a PATH it is a link.
const program = realpathSync(called)
const about = JSON.parse(readFileSync(join(dirname(program), 'stand-in.json'), 'utf8')) as About
const env = process.env
const fault = about.isTriedWell && env['OCM_TRIAL'] !== undefined ? undefined : about.fault

if (args[0] === 'gateway' && (args[1] === undefined || /^(?:run|-.*)$/.test(args[1]))) {
  await runGateway()
} else if (args[0] === 'gateway' && args[1] === 'install') {
  installUnit(Number(args[args.indexOf('--port') + 1]))
} else if (about.real !== null) {
  const { status } = spawnSync(process.execPath, [about.real, ...args], { stdio: 'inherit' })
  process.exitCode = status ?? 1
} else {
  console.log(JSON.stringify({ valid: true, status: 'exact', foundVersion: 18, targetVersion: 18 }))
}

interface Config {
  readonly gateway?: { readonly port?: number }
  readonly channels?: {
    readonly telegram?: { readonly botToken?: string; readonly apiRoot?: string }
  }
}

function startTime(pid: number | 'self'): string | undefined {
  const file = `/proc/${pid}/stat`
  if (!existsSync(file)) return undefined
  const stat = readFileSync(file, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** A unit of the account that runs this, which is started at once, as the real one makes it. */
function installUnit(port: number): void {
  const unit = 'openclaw-gateway.service'
  const folder = join(env['HOME'] ?? '/', '.config', 'systemd', 'user')
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, unit),
    `[Service]\nExecStart=${process.execPath} ${program} gateway --port ${port}\nRestart=always\nRestartPreventExitStatus=78\nEnvironment=HOME=${env['HOME']}\n[Install]\nWantedBy=default.target\n`,
  )
  for (const words of [['daemon-reload'], ['enable', '--now', unit]]) {
    const { status } = spawnSync('systemctl', ['--user', ...words], { stdio: 'ignore' })
    if (status !== 0) process.exit(1)
  }
}

async function runGateway(): Promise<void> {
  if (fault === 'ends-at-once') process.exit(78)
  const profile = env['OPENCLAW_PROFILE'] ? `-${env['OPENCLAW_PROFILE']}` : ''
  const state = env['OPENCLAW_STATE_DIR'] ?? join(env['HOME'] ?? '/', `.openclaw${profile}`)
  const text = readFileSync(env['OPENCLAW_CONFIG_PATH'] ?? join(state, 'openclaw.json'), 'utf8')
  const config = JSON.parse(text.replaceAll(/^\s*\/\/.*$/gm, '')) as Config
  const at = args.indexOf('--port')
  const port = Number((at < 0 ? config.gateway?.port : args[at + 1]) ?? 18_789)

  const folder = join(state, 'tmp', `openclaw-${process.getuid?.() ?? 0}`)
  const lock = join(folder, 'gateway.state.lock')
  if (existsSync(lock)) {
    const held = JSON.parse(readFileSync(lock, 'utf8')) as { pid: number; startTime: number }
    // As the real one: a second gateway of one state directory ends with 78.
    if (startTime(held.pid) === String(held.startTime)) process.exit(78)
  }
  mkdirSync(folder, { recursive: true })
  const pid = process.pid
  writeFileSync(
    lock,
    JSON.stringify({ pid, port, stateDir: state, startTime: Number(startTime('self')) }),
  )

  const ending = new AbortController()
  const server = createServer((_, answer) => {
    answer.end(JSON.stringify({ ready: fault !== 'never-ready' }))
  })
  server.once('error', () => process.exit(78))
  server.listen(port, '127.0.0.1')
  const { botToken, apiRoot } = config.channels?.telegram ?? {}
  const isMute = env['OPENCLAW_SKIP_CHANNELS'] === '1'
  if (botToken && apiRoot && !isMute)
    void poll(`${apiRoot}/bot${botToken}/getUpdates`, ending.signal)
  process.once('SIGTERM', () => {
    ending.abort()
    const after = fault === 'slow-to-stop' ? 8000 : 0
    setTimeout(() => {
      rmSync(lock, { force: true })
      process.exit(0)
    }, after)
  })
}

async function poll(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const isHeard = await new Promise<boolean>((resolve) => {
      const asked = get(url, { signal, agent: false }, (answer) => {
        answer.resume()
        answer.once('end', () => resolve(true))
        answer.once('error', () => resolve(false))
      })
      asked.once('error', () => resolve(false))
    })
    if (!isHeard && !signal.aborted) await pause(100)
  }
}
