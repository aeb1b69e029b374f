import { OcmError, type SshConnection } from '@ocm/protocol'
import { expect, it } from 'vitest'
import { oneByOne } from './resolve.ts'

const ways = ['2001:db8::1', '192.0.2.1'].map((host): SshConnection => ({
  v: 1,
  host,
  port: 22,
  user: 'me',
  hostKeys: [],
  method: 'password',
}))
const unreachable = () => new OcmError('ssh-unreachable', { why: 'closed' })

it('goes on to the next address while none can be reached', async () => {
  const tried: string[] = []
  await oneByOne(ways, async ({ host }) => {
    tried.push(host)
    if (tried.length === 1) throw unreachable()
  })
  expect(tried).toEqual(ways.map(({ host }) => host))
})

it('says of the last one why it cannot be reached', async () => {
  const all = oneByOne(ways, () => Promise.reject(unreachable()))
  await expect(all).rejects.toMatchObject({ code: 'ssh-unreachable' })
})

it('gives a secret to one address alone, also when that hangs up', async () => {
  const tried: string[] = []
  const all = oneByOne(ways, async ({ host }, spent) => {
    tried.push(host)
    spent()
    throw unreachable()
  })
  await expect(all).rejects.toMatchObject({ code: 'ssh-unreachable' })
  expect(tried).toEqual(['2001:db8::1'])
})

it('takes a refusal for an answer', async () => {
  const tried: string[] = []
  const all = oneByOne(ways, async ({ host }) => {
    tried.push(host)
    throw new OcmError('ssh-host-key-changed')
  })
  await expect(all).rejects.toMatchObject({ code: 'ssh-host-key-changed' })
  expect(tried).toHaveLength(1)
})
