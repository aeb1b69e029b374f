import { describe, expect, test } from 'vitest'
import { connectionFrom } from './connection-options.ts'

describe('a connection that is typed', () => {
  test('is a user, a host and a port, and what lies on the way', () => {
    const connection = connectionFrom('claw@192.0.2.7:2222', 'key', {
      jump: 'me@gate.example',
      sudoUser: 'openclaw',
      container: 'podman:claw',
      containerUser: 'node',
      profile: 'work',
    })
    expect(connection).toEqual({
      v: 1,
      host: '192.0.2.7',
      port: 2222,
      user: 'claw',
      hostKeys: [],
      method: 'key',
      jump: { host: 'gate.example', port: 22, user: 'me', hostKeys: [] },
      sudo: { user: 'openclaw', password: false },
      container: { tool: 'podman', name: 'claw', user: 'node' },
      profile: 'work',
    })
  })

  test.each<[string, Parameters<typeof connectionFrom>[2], string]>([
    ['host.example', {}, 'wrong-use'],
    ['claw@-oProxyCommand=sh', {}, 'ssh-address-refused'],
    ['claw@a b', {}, 'ssh-address-refused'],
    ['claw@169.254.169.254', {}, 'ssh-address-refused'],
    ['-l@host.example', {}, 'ssh-address-refused'],
    ['claw@host', { jump: 'gate.example' }, 'wrong-use'],
    ['claw@host', { jump: 'me@-W' }, 'ssh-address-refused'],
    ['claw@host', { sudoPassword: true }, 'wrong-use'],
    ['claw@host', { sudoUser: 'a;b' }, 'ssh-address-refused'],
    ['claw@host', { container: 'lxc:claw' }, 'wrong-use'],
    ['claw@host', { containerUser: 'node' }, 'wrong-use'],
    ['claw@host', { openclawHome: 'home' }, 'wrong-use'],
  ])('%s with %j is refused before anything is dialled', (destination, options, code) => {
    expect(() => connectionFrom(destination, 'password', options)).toThrow(
      expect.objectContaining({ code }),
    )
  })
})
