import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { endsAgent, mayWrite } from './gateway-obstacle.ts'
import { processGateway } from './gateway-process.ts'

const NAMESPACE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']
const [unshare = '', ...words] = NAMESPACE
const hasNamespaces = spawnSync(unshare, [...words, 'true']).status === 0

let dir = ''
const children: ChildProcess[] = []
beforeEach(() => {
  dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-obstacle-')))
  mkdirSync(`${dir}/openclaw`)
  mkdirSync(`${dir}/home/.openclaw`, { recursive: true })
  writeFileSync(`${dir}/openclaw/openclaw.mjs`, GATEWAY)
  writeFileSync(`${dir}/agent.mjs`, AGENT)
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(dir, { recursive: true, force: true })
})

/** Ends as OpenClaw does when it is told to. */
const GATEWAY = `
process.on('SIGTERM', () => process.exit(0))
setInterval(() => {}, 1000)
console.log('ready')
`
/** Looks at the gateway beside it, says what it found, and stays. */
const AGENT = `
const { processGateway } = await import(process.argv[2])
const [home, stateDir] = process.argv.slice(3)
const site = { home, stateDir, configPath: stateDir + '/openclaw.json', port: 1, profile: '', bin: null }
const gateway = processGateway(site, undefined)
console.log(JSON.stringify([await gateway.isRunning(), (await gateway.obstacle()) ?? null]))
process.stdin.resume()
`
const site = () => {
  const state = `${dir}/home/.openclaw`
  return {
    home: `${dir}/home`,
    stateDir: state,
    configPath: `${state}/openclaw.json`,
    port: 1,
    profile: '',
    bin: null,
  }
}

async function started(file: string, args: readonly string[], env = {}) {
  const child = spawn(file, args, {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { child, line }
}

const childOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])

const place = () => ({ HOME: `${dir}/home`, OPENCLAW_STATE_DIR: `${dir}/home/.openclaw` })
const firstProcess = (...before: readonly string[]) => {
  const script = `${dir}/openclaw/openclaw.mjs`
  return started(
    unshare,
    [...words, ...before, process.execPath, script, 'gateway', 'run'],
    place(),
  )
}
/** As an agent that shares the gateway's namespace, and came into it from outside. */
const agentIn = (pid: number) => {
  const module = fileURLToPath(new URL('gateway-process.ts', import.meta.url))
  const { home, stateDir } = site()
  const into = ['-t', String(pid), '--pid', '--mount', process.execPath, `${dir}/agent.mjs`]
  return started('nsenter', [...into, module, home, stateDir])
}

describe.skipIf(!hasNamespaces)('a gateway that is the first process of its namespace', () => {
  test('takes the agent along when it ends: it is told before anything stops', async () => {
    const { child } = await firstProcess()
    const first = childOf(child.pid as number)
    const agent = await agentIn(first)
    expect(JSON.parse(agent.line)).toEqual([true, 'gateway-ends-agent'])
    const ended = once(agent.child, 'exit')
    process.kill(first, 'SIGTERM')
    // What is told is true: the kernel ends whatever shares the namespace.
    expect(await ended).toEqual([null, 'SIGKILL'])
  })

  test('and so it does below what ends with it', async () => {
    const script = `${dir}/openclaw/openclaw.mjs`
    // One command more, or the shell would become it.
    const { child } = await started(
      unshare,
      [...words, 'setsid', 'sh', '-c', '"$0" "$1" gateway run; exit', process.execPath, script],
      place(),
    )
    const agent = await agentIn(childOf(child.pid as number))
    expect(JSON.parse(agent.line)).toEqual([true, 'gateway-ends-agent'])
  })
})

test('a gateway beside the agent, as it runs anywhere else, is no obstacle', async () => {
  const { home, stateDir } = site()
  const env = { HOME: home, OPENCLAW_STATE_DIR: stateDir }
  const script = `${dir}/openclaw/openclaw.mjs`
  await started(process.execPath, [script, 'gateway', 'run'], env)
  const gateway = processGateway(site(), undefined)
  expect([await gateway.isRunning(), await gateway.obstacle?.()]).toEqual([true, undefined])
  expect(endsAgent([])).toBe(false)
})

test.skipIf(process.getuid?.() !== 0)(
  'where the account may not write, it cannot keep a unit from starting',
  () => {
    mkdirSync(`${dir}/closed`)
    chmodSync(dir, 0o755)
    expect(mayWrite(`${dir}/closed/deep/er/unit`)).toBe(true)
    const module = fileURLToPath(new URL('gateway-obstacle.ts', import.meta.url))
    const code = `const { mayWrite } = await import(${JSON.stringify(module)}); console.log(mayWrite(${JSON.stringify(`${dir}/closed/deep/er/unit`)}))`
    const asked = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
      uid: 65_534,
      gid: 65_534,
    })
    expect(String(asked).trim()).toBe('false')
  },
)
