import { chmodSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { makeHome } from './home.fixture.ts'
import { createInstallation } from './installation.ts'

test('a target says which of the places, programs and ports that a plan asks for it has', async () => {
  const home = makeHome()
  home.write('bin/tool', '#!/bin/sh\n')
  chmodSync(home.at('bin/tool'), 0o755)
  home.write('bin/data', 'no program')
  symlinkSync('/nowhere/at/all', home.at('dangling'))
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const installation = createInstallation({
    home: home.home,
    env: { PATH: home.at('bin') },
    agentStateDir: home.at('agent'),
    now: () => 0,
  })
  const wish = {
    paths: [home.at('bin'), home.at('bin/gone'), home.at('dangling'), 'relative', '/a\0b'],
    commands: ['tool', 'data', 'no-such-program', '../bin/tool'],
    ports: [port, 1],
  }
  expect((await installation.facts({ ports: [], wish })).has).toEqual({
    paths: [
      [home.at('bin'), true],
      [home.at('bin/gone'), false],
      [home.at('dangling'), false],
      ['relative', false],
      ['/a\0b', false],
    ],
    commands: [
      ['tool', true],
      ['data', false],
      ['no-such-program', false],
      ['../bin/tool', false],
    ],
    ports: [
      [port, true],
      [1, false],
    ],
  })
  expect((await installation.facts({ ports: [] })).has).toBeUndefined()
})
