/** nginx and Caddy in front of a hub, by the configurations of deploy/container: an operator and an agent pass through. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OPENCLAW } from '../openclaw.ts'
import { joinAgent, operatorAt, startAgent, startHub } from '../programs.ts'
import { freePort } from '../free-port.ts'
import { smallHome } from '../small-home.ts'
import { until } from '../until.ts'

const deployed = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../deploy/container/${name}`, import.meta.url)), 'utf8')

/** Starts it in front of the hub at `hub`, listening on `port` of loopback without TLS. */
type Proxy = (ground: string, hub: string, port: number) => ChildProcess

export const PROXIES: Readonly<Record<'nginx' | 'caddy', Proxy>> = {
  nginx(ground, hub, port) {
    const site = deployed('nginx.conf')
      .replaceAll('hub:8001', hub)
      .replaceAll(/^ *(?:ssl_|listen \[::\]).*\n/gm, '')
      // The first only leads to the second, which is where what matters stands.
      .replace('listen 80 default_server', `listen unix:${ground}/plain`)
      .replace('listen 443 ssl', `listen 127.0.0.1:${port}`)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${ground}/${name};`)
      .join('\n')
    const whole = `pid ${ground}/pid;\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${site}\n}\n`
    writeFileSync(join(ground, 'nginx.conf'), whole)
    const args = ['-c', join(ground, 'nginx.conf'), '-p', ground, '-e', join(ground, 'errors')]
    return spawn('nginx', [...args, '-g', 'daemon off; user root;'], { stdio: 'ignore' })
  },
  caddy(ground, hub, port) {
    writeFileSync(join(ground, 'Caddyfile'), deployed('Caddyfile').replaceAll('hub:8001', hub))
    const env = {
      ...process.env,
      OCM_HOST: `http://127.0.0.1:${port}`,
      CADDY_ADMIN: 'off',
      XDG_DATA_HOME: ground,
      XDG_CONFIG_HOME: ground,
    }
    const args = ['run', '--adapter', 'caddyfile', '--config', join(ground, 'Caddyfile')]
    return spawn('caddy', args, { stdio: 'ignore', env })
  },
}

/** @throws Error where something does not come through */
export async function throughProxy(name: keyof typeof PROXIES, parent: string): Promise<void> {
  const ground = join(parent, name)
  mkdirSync(ground)
  const port = await freePort()
  const publicUrl = `http://127.0.0.1:${port}`
  const hub = await startHub(join(ground, 'hub'), { publicUrl })
  const proxy = PROXIES[name](ground, new URL(hub.url).host, port)
  const answers = async () => {
    try {
      return (await fetch(`${publicUrl}/healthz`)).ok
    } catch (error) {
      // Not listening yet.
      if (proxy.exitCode === null) return false
      throw error
    }
  }
  try {
    await until(answers, { timeoutMs: 15_000, what: `${name} passes on` })
    const operator = operatorAt(join(ground, 'operator'), publicUrl)
    await operator.json('setup', '--link', hub.setupLink, '--name', 'olivia')
    const home = smallHome(join(ground, 'home'), 28_963)
    const place = { state: join(ground, 'agent'), home, openclaw: OPENCLAW }
    const { join: ticket } = await operator.json<{ join: string }>('ticket', '--label', 'a')
    const joined = await joinAgent(place, ticket)
    if (joined.code !== 0) throw new Error(`no agent joins through ${name}:\n${joined.err}`)
    const agent = startAgent(place)
    try {
      await until(() => agent.output().includes('"msg":"connected"'), {
        timeoutMs: 15_000,
        what: `an agent connects through ${name}`,
      })
      await operator.json('backup', 'a')
      const { ok } = await operator.json<{ ok: boolean }>('verify', 'a')
      if (!ok) throw new Error('what came through does not verify')
    } finally {
      await agent.stop()
    }
  } finally {
    const ended = once(proxy, 'exit')
    if (proxy.exitCode === null && proxy.kill('SIGTERM')) await ended
    await hub.stop()
  }
}
