import { symlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { dependenciesFor, dependencyFacts } from './dependencies.ts'
import { makeHome } from './home.fixture.ts'
import { createInstallation } from './installation.ts'
import { sha } from './staged.fixture.ts'

const plugin = (name: string, file: string) => `.openclaw/extensions/${name}/${file}`

test('a target tells what package managers have made, and for which declaration', async () => {
  const home = makeHome()
  home.write('.openclaw/openclaw.json', '{}')
  home.write(plugin('a', 'package.json'), '{"name":"a"}')
  home.write(plugin('a', 'node_modules/b/node_modules/c/index.js'), '')
  home.write(plugin('bare', 'node_modules/b/index.js'), '')
  home.write('.openclaw/skills/s/node_modules/b/index.js', '')
  const options = { home: home.home, env: {}, agentStateDir: home.at('agent'), now: () => 0 }
  const installation = createInstallation(options)
  const { remade = [] } = await installation.facts({ ports: [] })
  expect(remade.map(({ path, sha256 }) => [path, sha256 && Buffer.from(sha256).toString('hex')]))
    // Outermost alone; what is a skill's own is captured with it.
    .toEqual([
      [home.at(plugin('a', 'node_modules')), sha('{"name":"a"}')],
      [home.at(plugin('bare', 'node_modules')), undefined],
    ])
  expect(dependencyFacts(home.at('nowhere'))).toEqual([])
})

const declared = (version: string) =>
  JSON.stringify({ name: 'x', version, dependencies: { b: '1' }, description: version })

test('a plugin that is another one in the new tree, or a link there, gets nothing of the old one', () => {
  const [old, fresh] = [makeHome(), makeHome()]
  for (const name of ['same', 'other', 'linked']) {
    old.write(plugin(name, 'package.json'), declared('1.0.0'))
    old.write(plugin(name, 'node_modules/b/index.js'), '')
  }
  // Words about it may change with the paths in them.
  fresh.write(
    plugin('same', 'package.json'),
    declared('1.0.0').replace('"description":"1.0.0"', '"description":"2"'),
  )
  fresh.write(plugin('other', 'package.json'), declared('1.0.1'))
  symlinkSync(fresh.at(plugin('same', '')), fresh.at('.openclaw/extensions/linked'))
  expect(dependenciesFor(old.state, fresh.state)).toEqual(['extensions/same/node_modules'])
})
