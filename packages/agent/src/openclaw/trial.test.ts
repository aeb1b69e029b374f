import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Layout } from '@ocm/protocol'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { discover } from './discovery.ts'
import { ownNetwork } from './trial-network.ts'
import { endTrial, portForTrial, tryTree, whereOf } from './trial.ts'

const network = await ownNetwork()
let dir: string
let outside: Server
let calls: number
beforeEach(async () => {
  dir = realpathSync(mkdtempSync(path.join(tmpdir(), 'ocm-trial-')))
  calls = 0
  outside = createServer((_, answer) => {
    calls++
    answer.end()
  })
  await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await endTrial(path.join(dir, 'copy'))
  await new Promise((resolve) => outside.close(resolve))
  rmSync(dir, { recursive: true, force: true })
})

/** Takes its lock as a gateway does, calls out, and is ready or not as its configuration says. */
const GATEWAY = `#!${process.execPath}
const { appendFileSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs')
const { createServer } = require('node:http')
const { spawn } = require('node:child_process')
const { env, argv } = process
const config = JSON.parse(readFileSync(env.OPENCLAW_CONFIG_PATH, 'utf8'))
if (argv[2] === 'cron') {
  console.log('a word before\\n' + JSON.stringify({ jobs: [{ id: 'one' }, { id: 'own', declarationKey: 'heartbeat' }] }))
} else {
  writeFileSync(config.note, JSON.stringify({ env, argv: argv.slice(2) }))
  const folder = env.OPENCLAW_STATE_DIR + '/tmp/openclaw-' + (process.getuid?.() ?? 0)
  mkdirSync(folder, { recursive: true })
  const port = Number(argv[argv.indexOf('--port') + 1])
  const startTime = Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[19])
  writeFileSync(folder + '/gateway.state.lock', JSON.stringify({ pid: process.pid, port, startTime }))
  console.log('these are its last words')
  if (config.ends) process.exit(78)
  // A helper that has left the process group.
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' }).unref()
  fetch(config.outside).then(() => true, () => false).then((reached) => {
    appendFileSync(config.note + '.reached', String(reached))
    createServer((_, answer) => answer.end(JSON.stringify({ ready: config.ready }))).listen(port, '127.0.0.1')
  })
}
`

async function arrange(more: Readonly<Record<string, unknown>> = {}) {
  const directory = path.join(dir, 'copy')
  const from: Layout = {
    platform: 'linux',
    hostname: 'h',
    user: 'u',
    uid: 0,
    roots: { home: path.join(dir, 'live'), state: path.join(dir, 'live/.openclaw') },
    port: 1111,
    versions: { openclaw: '1', schemas: {}, node: '', agent: '' },
  }
  const roots = { home: `${directory}/home`, state: `${directory}/home/.openclaw` }
  const layout = { ...from, roots, port: await portForTrial([from.port]) }
  const bin = path.join(dir, 'openclaw')
  writeFileSync(bin, GATEWAY, { mode: 0o755 })
  mkdirSync(roots.state, { recursive: true })
  const { port } = outside.address() as AddressInfo
  const note = path.join(dir, 'note')
  const config = { ready: true, outside: `http://127.0.0.1:${port}/`, note, ...more }
  writeFileSync(`${roots.state}/openclaw.json`, JSON.stringify(config))
  const tree = { directory, layout, from }
  const site = { home: from.roots['home'] as string, stateDir: from.roots['state'] as string, bin }
  const live = discover({ home: site.home, env: {}, agentStateDir: path.join(dir, 'agent') })
  const noted = () =>
    JSON.parse(readFileSync(note, 'utf8')) as { env: NodeJS.ProcessEnv; argv: string[] }
  const run = (
    timeoutMs = 20_000,
    signal = new AbortController().signal,
    { found = ownNetwork, isPromised = false, graceMs = 60_000 } = {},
  ) => {
    const where = whereOf(tree, live, path.join(dir, 'agent'))
    const given = { ...tree, ...(isPromised && { isPromised: true as const }) }
    return tryTree(site, given, where, () => null, timeoutMs, signal, found, graceMs)
  }
  const reached = () => readFileSync(`${note}.reached`, 'utf8')
  return { tree, run, noted, reached, directory }
}

const running = (directory: string) =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`OCM_TRIAL=${directory}`)
      } catch {
        return false // Gone meanwhile, or another user's.
      }
    })

describe.skipIf(process.platform !== 'linux')('a trial', () => {
  test('a gateway is started mute on the copy alone, is asked, and all that it started is gone', async () => {
    const { tree, run, noted, directory } = await arrange()
    const tried = await run()
    expect(tried).toMatchObject({ ready: true, cronAsked: ['one'], words: '' })
    expect(running(directory)).toEqual([])
    const { env, argv } = noted()
    expect(env).toMatchObject({
      HOME: tree.layout.roots['home'],
      OPENCLAW_STATE_DIR: tree.layout.roots['state'],
      OPENCLAW_CONFIG_PATH: `${tree.layout.roots['state']}/openclaw.json`,
      TMPDIR: `${directory}/tmp`,
      OPENCLAW_SKIP_CHANNELS: '1',
      OPENCLAW_SKIP_CRON: '1',
      OPENCLAW_OFFLINE: '1',
      OPENCLAW_NO_AUTO_UPDATE: '1',
      OPENCLAW_DISABLE_BONJOUR: '1',
    })
    const port = String(tree.layout.port)
    expect(argv).toEqual([
      'gateway',
      'run',
      '--port',
      port,
      '--bind',
      'loopback',
      '--tailscale',
      'off',
    ])
    const config = readFileSync(`${tree.layout.roots['state']}/openclaw.json`, 'utf8')
    expect(JSON.parse(config)).toMatchObject({
      logging: { file: `${directory}/tmp/openclaw.log` },
    })
  })

  test('a configuration that is a link out of the copy is read, and what it leads to stays as it is', async () => {
    const { run, tree } = await arrange()
    const config = `${tree.layout.roots['state']}/openclaw.json`
    const live = path.join(dir, 'dotfiles.json')
    renameSync(config, live)
    symlinkSync(live, config)
    const before = readFileSync(live, 'utf8')
    expect(await run()).toMatchObject({ ready: true })
    expect(readFileSync(live, 'utf8')).toBe(before)
  })

  test.skipIf(network === undefined)(
    'it reaches nobody outside of its network, which it would without one',
    async () => {
      const cutOff = await arrange()
      expect(await cutOff.run()).toMatchObject({ ready: true, isolated: true })
      expect([cutOff.reached(), calls]).toEqual(['false', 0])
      rmSync(cutOff.directory, { recursive: true })
      rmSync(path.join(dir, 'note.reached'))

      // The control: begun in the same way, with a wrapper that keeps nothing in.
      const free = await arrange()
      const bare = ['env']
      expect(await free.run(20_000, undefined, { found: async () => bare })).toMatchObject({
        ready: true,
      })
      expect([free.reached(), calls]).toEqual(['true', 1])
    },
  )

  test('without a network of its own it says so, and what heeds proxies is sent nowhere', async () => {
    const { run, reached } = await arrange()
    expect(await run(20_000, undefined, { found: async () => undefined })).toMatchObject({
      ready: true,
      isolated: false,
    })
    expect([reached(), calls]).toEqual(['false', 0])
  })

  test('a plugin whose files are nowhere is told, one that the swap carries over is not', async () => {
    const { run, tree } = await arrange()
    const state = tree.layout.roots['state'] as string
    const at = (inside: string) => ({ installPath: path.join(state, inside) })
    const installRecords = {
      lost: at('npm/lost'),
      carried: at('npm/carried'),
      here: at('extensions/here'),
    }
    mkdirSync(path.join(state, 'extensions/here'), { recursive: true })
    mkdirSync(path.join(dir, 'live/.openclaw/npm/carried'), { recursive: true })
    mkdirSync(path.join(state, 'state'))
    const database = new DatabaseSync(path.join(state, 'state/openclaw.sqlite'))
    database.exec('CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT)')
    database
      .prepare('INSERT INTO config_machine_state VALUES (?, ?)')
      .run('plugins.installedIndex', JSON.stringify({ index: { installRecords } }))
    database.exec('CREATE TABLE agent_databases (agent_id TEXT, path TEXT)')
    database.close()
    expect(await run()).toMatchObject({ ready: true, pluginsMissing: ['lost'] })
  })

  test('one that ends is not waited for, and its last words are told', async () => {
    const { run } = await arrange({ ends: true })
    const began = performance.now()
    expect(await run(120_000)).toMatchObject({
      ready: false,
      inventory: null,
      cronAsked: null,
      words: expect.stringContaining('its last words'),
    })
    expect(performance.now() - began).toBeLessThan(60_000)
  })

  test('one that never gets ready is ended when the time is up, or when nobody wants it', async () => {
    const { run, directory } = await arrange({ ready: false })
    expect(await run(1500)).toMatchObject({ ready: false })
    expect(running(directory)).toEqual([])
    const unwanted = new AbortController()
    const trying = run(120_000, unwanted.signal)
    setTimeout(() => unwanted.abort(), 300)
    await expect(trying).rejects.toMatchObject({ code: 'job-cancelled' })
    expect(running(directory)).toEqual([])
  })

  test('one that is watched by a process which stands still is ended all the same', async () => {
    const { run, directory } = await arrange({ ready: false })
    const trying = run(500, undefined, { graceMs: 2500 })
    const stopped = vi.waitFor(() => {
      const [warden] = running(directory)
      if (warden === undefined) throw new Error('nothing runs yet')
      process.kill(Number(warden), 'SIGSTOP')
    })
    await Promise.all([expect(trying).rejects.toMatchObject({ code: 'trial-unanswered' }), stopped])
    expect(running(directory)).toEqual([])
  })

  test('one that was promised a network of its own is not started without it', async () => {
    const { run, directory } = await arrange()
    const looks: (number | undefined)[] = []
    const found = async (lookMs?: number) => {
      looks.push(lookMs)
      return undefined
    }
    const refused = run(20_000, undefined, { found, isPromised: true })
    await expect(refused).rejects.toMatchObject({ code: 'trial-failed', facts: { why: 'network' } })
    // Once more with more patience: the first look may have been cut short.
    expect(looks[1]).toBeGreaterThan(looks[0] ?? 5000)
    expect(running(directory)).toEqual([])
    expect(existsSync(`${dir}/note`)).toBe(false)
  })
})

test('a configuration that is pinned elsewhere is never the live one', async () => {
  const { tree } = await arrange()
  const pinned = path.join(dir, 'etc.json')
  writeFileSync(pinned, '{}')
  const live = discover({ home: path.join(dir, 'live'), configPath: pinned, agentStateDir: dir })
  expect(whereOf(tree, live, dir).config).toBe(`${tree.layout.roots['state']}/openclaw.json`)
  expect(existsSync(pinned)).toBe(true)
})
