import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AgentSession, OcmError } from '@ocm/protocol'
import { expect, test } from 'vitest'
import { createGuest } from './guest.ts'

test('an agent that is changing something neither stays nor goes', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ocm-guest-'))
  let isAtWork = true
  const asked = new Map<string, (params: object) => Promise<object>>()
  const handle = (method: string, answer: (params: object) => Promise<object>) =>
    void asked.set(method, answer)
  const parts = { stateDir, home: stateDir, account: stateDir, program: '' }
  const guest = createGuest(parts, {
    rehome: () => Promise.reject(new Error('stays')),
    checkAtRest: async () => {
      if (isAtWork) throw new OcmError('node-busy')
    },
    leave: async () => {
      if (isAtWork) throw new OcmError('node-busy')
      return { kept: 1 }
    },
  })
  try {
    guest.attach({ handle } as unknown as AgentSession)
    for (const method of ['settle', 'forget']) {
      await expect(asked.get(method)?.({ urls: [] })).rejects.toMatchObject({ code: 'node-busy' })
    }
    expect([guest.isForgotten, existsSync(stateDir)]).toEqual([false, true])
    isAtWork = false
    expect(await asked.get('forget')?.({})).toEqual({ kept: 1 })
    expect([guest.isForgotten, existsSync(stateDir)]).toEqual([true, false])
  } finally {
    rmSync(stateDir, { recursive: true, force: true })
  }
})
