import type { SshConnection } from '@ocm/protocol'
import { expect, it } from 'vitest'
import { connectionFrom, whereOf } from './where.ts'

const KNOWN: SshConnection = {
  v: 1,
  host: '2001:db8::7',
  port: 2222,
  user: 'claw',
  hostKeys: [],
  method: 'key',
  jump: { host: 'gate.example', port: 22, user: 'me', hostKeys: [] },
  sudo: { user: 'openclaw', password: true },
  container: { tool: 'podman', name: 'claw', user: 'node' },
  openclawHome: '/srv/claw',
  openclawBin: '/opt/openclaw',
  profile: 'work',
}

it('shows a connection so that nothing of it is lost when nothing is changed', () => {
  expect(connectionFrom({ label: '', ...whereOf(KNOWN) }, KNOWN)).toEqual(KNOWN)
})

it('takes from one that is known only what is not asked for', () => {
  const typed = { ...whereOf(KNOWN), label: '', jump: ' ', container: 'other' }
  const { jump: _, ...rest } = KNOWN
  expect(connectionFrom(typed, KNOWN)).toEqual({
    ...rest,
    container: { tool: 'podman', name: 'other' },
  })
})
