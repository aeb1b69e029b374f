/** What is deployed, as far as it can be told in seconds: the units as systemd reads them, bundles, container files. */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { programOf } from './support/programs.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const deploy = `${root}deploy/`
const folder = mkdtempSync(join(tmpdir(), 'ocm-units-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A copy under the name that it has when it runs, with a program that is there: what it starts comes with the package. */
function unit(name: string, instance = name): string {
  const text = readFileSync(join(deploy, name), 'utf8')
  writeFileSync(join(folder, instance), text.replaceAll(/\/usr\/bin\/ocm-\w+/g, '/bin/true'))
  return join(folder, instance)
}

function analyze(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: folder, SYSTEMD_LOG_LEVEL: 'warning' },
  })
  return { status, out: stdout, err: stderr }
}

const isHere = spawnSync('systemd-analyze', ['--version']).status === 0
const UNITS = [
  { name: 'ocm-hub.service', args: [] },
  { name: 'ocm-agent@.service', instance: 'ocm-agent@alice.service', args: [] },
  { name: 'ocm-agent.service', args: ['--user'] },
] as const

for (const { name, args, ...more } of UNITS) {
  test(`systemd has nothing to say against ${name}`, (context) => {
    if (!isHere) return context.skip('needs systemd-analyze')
    const path = unit(name, 'instance' in more ? more.instance : name)
    expect(analyze('verify', '--man=no', ...args, path)).toEqual({ status: 0, out: '', err: '' })
  })
}

const LIMITS = [
  { name: 'ocm-hub.service', most: 1.5 },
  { name: 'ocm-agent@.service', instance: 'ocm-agent@alice.service', most: 2 },
  // A service manager of an account has no rights to take more away with; and what can be filtered without any, a gateway
  // that the agent starts again would be left with, and the tools of its personas.
  { name: 'ocm-agent.service', most: 9.3 },
] as const

for (const { name, most, ...more } of LIMITS) {
  test(`${name} leaves open at most ${most} of 10`, (context) => {
    if (!isHere) return context.skip('needs systemd-analyze')
    const path = unit(name, 'instance' in more ? more.instance : name)
    const { out } = analyze('security', '--offline=true', path)
    const exposure = Number(/Overall exposure level for .*: ([\d.]+) /.exec(out)?.[1])
    console.log(`${name}: exposure ${exposure}`)
    expect(exposure).toBeLessThanOrEqual(most)
  })
}

test('no unit of an agent bounds the memory that a gateway on trial takes from it, or binds less than a home', () => {
  for (const name of ['ocm-agent.service', 'ocm-agent@.service']) {
    const text = readFileSync(join(deploy, name), 'utf8')
    expect(text).not.toMatch(/^Memory(?:Max|High)=/m)
    expect(text).toMatch(/^NotifyAccess=all$/m)
    expect([...text.matchAll(/^BindPaths=(.*)$/gm)].map(([, path]) => path)).toEqual(
      name === 'ocm-agent@.service' ? ['/home/%i'] : [],
    )
  }
})

test('the programs built once more, elsewhere, are the same bytes', () => {
  const names = ['ocm-hub', 'ocm-agent', 'ocm']
  const only = names.flatMap((name) => ['--only', name])
  const args = [`${root}scripts/build.ts`, '--out', folder, ...only]
  expect(spawnSync(process.execPath, args, { encoding: 'utf8' })).toMatchObject({ status: 0 })
  for (const name of names) {
    const again = readFileSync(join(folder, `${name}.mjs`))
    expect(again.equals(readFileSync(`${root}dist/${name}.mjs`))).toBe(true)
  }
  expect(readFileSync(join(folder, 'ocm-agent.mjs')).length).toBeLessThan(1_000_000)
})

const container = (path: string) => readFileSync(`${deploy}container/${path}`, 'utf8')
const missing = (paths: readonly string[]) => paths.filter((path) => !existsSync(path))

test('what an image copies is built, and what a compose file builds from or mounts is there', () => {
  const dockerfiles = globSync('*.Dockerfile', { cwd: `${deploy}container` })
  expect(dockerfiles.length).toBe(2)
  for (const file of dockerfiles) {
    const copied = [...container(file).matchAll(/^COPY (.*) \S+$/gm)].flatMap(([, from = '']) =>
      from.split(' '),
    )
    expect(missing(copied.map((path) => root + path))).toEqual([])
    expect(missing([`${deploy}container/${file}.dockerignore`])).toEqual([])
    expect(container(file)).toMatch(/^USER (?!root)/m)
  }
  for (const file of globSync('compose*.yaml', { cwd: `${deploy}container` })) {
    const text = container(file)
    const named = [...text.matchAll(/dockerfile: (\S+)/g)].map(([, path = '']) => root + path)
    // The certificate is for people to bring.
    const mounted = [...text.matchAll(/- \.\/(?!certificate)([\w.]+):/g)].map(
      ([, path = '']) => `${deploy}container/${path}`,
    )
    expect(missing([...named, ...mounted])).toEqual([])
  }
})

test('stores that come with the hub are of one version, shut in, and have the secrets that are made for them', () => {
  const text = container('compose.stores.yaml')
  const images = [...text.matchAll(/image: (\S+)/g)].map(([, image = '']) => image)
  expect(images).toHaveLength(2)
  for (const image of images) expect(image).toMatch(/:v?\d+\.\d+[\w.-]*$/)
  expect(text).not.toMatch(/^ +ports:/m)
  expect(text).toMatch(/stores:\n +internal: true/)

  const secrets = join(folder, 'secrets')
  const make = () => {
    const { status, stderr } = spawnSync('sh', [`${deploy}container/secrets.sh`, secrets])
    expect([status, String(stderr)]).toEqual([0, ''])
    return readdirSync(secrets).map((name) => readFileSync(join(secrets, name), 'utf8'))
  }
  const once = make()
  // A second time it changes nothing, and another one has others.
  expect(make()).toEqual(once)
  expect(statSync(secrets).mode & 0o777).toBe(0o700)
  const wanted = [...text.matchAll(/\.\/secrets\/([\w.-]+)/g)].map(([, name = '']) => name)
  expect(wanted.length).toBe(5)
  expect(missing(wanted.map((name) => join(secrets, name)))).toEqual([])
  const of = (name: string) => readFileSync(join(secrets, name), 'utf8')
  expect(of('catalog-url')).toBe(`postgres://ocm:${of('postgres-password')}@postgres/ocm\n`)
  expect(of('garage.env')).toContain(`GARAGE_DEFAULT_SECRET_KEY=${of('s3-secret')}\n`)
  // As Garage wants them.
  expect(of('s3-key-id')).toMatch(/^GK[0-9a-f]{32}$/)
  expect(of('s3-secret')).toMatch(/^[0-9a-f]{64}$/)
})

test.each(['ocm', 'ocm-agent', 'ocm-hub'])(
  '%s says on an older Node which one it needs',
  (name) => {
    const versions = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.9.0'}})`
    const start = `${versions};await import(${JSON.stringify(programOf(name))})`
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--input-type=module', '--eval', start],
      { encoding: 'utf8' },
    )
    expect(stderr).toContain('OCM needs Node 24.16 or newer; this is 20.9.0.')
    expect(status).toBe(1)
  },
)
