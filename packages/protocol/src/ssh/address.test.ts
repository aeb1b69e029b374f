import { describe, expect, it } from 'vitest'
import type { OcmError } from '../errors.ts'
import {
  checkHost,
  checkName,
  checkPort,
  readDestination,
  whyNotAddress,
  writeDestination,
} from './address.ts'

/** Undefined when it is let through. */
function whyOf(call: () => unknown): unknown {
  try {
    call()
    return undefined
  } catch (error) {
    const { code, facts } = error as OcmError
    return code === 'ssh-address-refused' ? facts['why'] : error
  }
}

describe('a host that is refused', () => {
  it.each([
    ['', 'empty'],
    ['-oProxyCommand=touch /tmp/x', 'grammar'],
    ['-oProxyCommand=id', 'grammar'],
    ['-4', 'grammar'],
    ['a b', 'grammar'],
    ['host\n', 'grammar'],
    ['host\nProxyCommand id', 'grammar'],
    ['host\r', 'grammar'],
    ['host\0', 'grammar'],
    ['a;id', 'grammar'],
    ['$(id)', 'grammar'],
    ['`id`', 'grammar'],
    ["a'b", 'grammar'],
    ['a/b', 'grammar'],
    ['user@host', 'grammar'],
    ['a..b', 'grammar'],
    ['.a', 'grammar'],
    ['a.', 'grammar'],
    ['a-.b', 'grammar'],
    ['höst', 'grammar'],
    [`${'a'.repeat(64)}.b`, 'grammar'],
    [`${'a.'.repeat(127)}aa`, 'too-long'],
    ['%h', 'zone'],
    ['fe80::1%eth0', 'zone'],
    ['host%20', 'zone'],
    ['169.254.169.254', 'link-local'],
    ['169.254.0.1', 'link-local'],
    ['fe80::1', 'link-local'],
    ['FE80::1', 'link-local'],
    ['febf:1::1', 'link-local'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['64:ff9b::169.254.169.254', 'link-local'],
    ['::169.254.169.254', 'link-local'],
    ['2852039166', 'number'],
    ['0xa9fea9fe', 'number'],
    ['0xa9.0xfe.0xa9.0xfe', 'number'],
    ['0251.0376.0251.0376', 'number'],
    ['169.254.43518', 'number'],
    ['1.2.3', 'number'],
    ['1.2.3.4.5', 'number'],
    ['256.1.1.1', 'number'],
    ['127.1', 'number'],
    ['example.1', 'number'],
    ['a.0x', 'number'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['255.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['100.100.100.200', 'metadata'],
    ['fd00:ec2::254', 'metadata'],
    [':', 'grammar'],
    [':::', 'grammar'],
    ['1::2::3', 'grammar'],
    ['1:2:3:4:5:6:7', 'grammar'],
    ['1:2:3:4:5:6:7:8:9', 'grammar'],
    ['12345::', 'grammar'],
    ['::1.2.3', 'grammar'],
    ['::1.2.3.400', 'grammar'],
    ['168.63.129.16', 'metadata'],
    ['::ffff:168.63.129.16', 'metadata'],
    ['::ffff:0:169.254.169.254', 'link-local'],
    ['::169.254.169.254', 'link-local'],
    ['64:ff9b::100.100.100.200', 'metadata'],
    ['64:ff9b:1::169.254.169.254', 'link-local'],
    ['2002:a9fe:a9fe::1', 'link-local'],
    ['fd00:ec2::23', 'metadata'],
    ['fd20:ce::254', 'metadata'],
    ['[::1]', 'grammar'],
  ])('%j: %s', (host, why) => {
    expect(whyOf(() => checkHost(host))).toBe(why)
  })
})

it.each([
  ['localhost', 'localhost'],
  ['Node-7.Example.COM', 'node-7.example.com'],
  ['my_box.lan', 'my_box.lan'],
  ['127.0.0.1', '127.0.0.1'],
  ['192.168.1.20', '192.168.1.20'],
  ['10.0.0.255', '10.0.0.255'],
  ['::1', '::1'],
  ['2001:DB8::1', '2001:db8::1'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['fd12:3456::1', 'fd12:3456::1'],
  ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
  ['xn--hst-sna.example', 'xn--hst-sna.example'],
])('the host %j is %j', (host, same) => {
  expect(checkHost(host)).toBe(same)
})

it.each([
  ['169.254.169.254', 'link-local'],
  ['fe80::1%lo', 'zone'],
  ['::ffff:169.254.169.254', 'link-local'],
  ['192.168.0.1', undefined],
  ['::1', undefined],
  ['::ffff:a3f:8110', undefined],
  ['64:ff9b::a9fe:a9fe', 'link-local'],
  ['2002:c0a8:101::1', undefined],
  ['fd00:ec3::254', undefined],
])('an address that a name resolves to is judged: %s', (address, why) => {
  expect(whyNotAddress(address)).toBe(why)
})

it.each([
  ['user', '', 'empty'],
  ['user', '-oProxyCommand=x', 'grammar'],
  ['user', 'a b', 'grammar'],
  ['user', 'root\n', 'grammar'],
  ['user', '%u', 'grammar'],
  ['user', '$USER', 'grammar'],
  ['user', 'a'.repeat(65), 'grammar'],
  ['container', '--privileged', 'grammar'],
  ['container', 'a/b', 'grammar'],
  ['profile', '../x', 'grammar'],
  ['profile', 'A', 'grammar'],
] as const)('the %s %j is refused', (what, text, why) => {
  expect(whyOf(() => checkName(what, text))).toBe(why)
})

it.each([0, -1, 65_536, 1.5, Number.NaN])('the port %d is refused', (port) => {
  expect(whyOf(() => checkPort(port))).toBe('grammar')
})

it.each([
  ['host', { host: 'host', port: 22, user: undefined }],
  ['me@host', { host: 'host', port: 22, user: 'me' }],
  ['me@host:2222', { host: 'host', port: 2222, user: 'me' }],
  ['me@[::1]:2222', { host: '::1', port: 2222, user: 'me' }],
  ['[2001:db8::1]', { host: '2001:db8::1', port: 22, user: undefined }],
  ['me@2001:db8::1', { host: '2001:db8::1', port: 22, user: 'me' }],
])('people type %s', (text, destination) => {
  expect(readDestination(text)).toEqual(destination)
})

it.each(['me@host', 'me@host:2222', 'me@[2001:db8::1]', 'me@[::1]:2222'])(
  'people are shown %s as they would type it',
  (text) => {
    const { user = '', ...at } = readDestination(text)
    expect(writeDestination({ ...at, user })).toBe(text)
  },
)

it.each([
  '',
  '@host',
  'me@',
  'a@b@host',
  'host:',
  'host:0',
  'host:99999',
  'me@-x:22',
  'ssh://host',
])('people may not type %j', (text) => {
  expect(whyOf(() => readDestination(text))).toBeDefined()
})
