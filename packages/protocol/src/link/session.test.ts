import { describe, expect, it } from 'vitest'
import { OcmError } from '../errors.ts'
import { nodePrimitives as p } from '../primitives/node.ts'
import { MAX_IN_FLIGHT } from './session.ts'
import { settled } from './testing/manual-clock.ts'
import { HEARTBEAT_MS, joinedSessions } from './testing/sessions.ts'
import { id } from './testing/shake.ts'

const code = (error: unknown) => (error instanceof OcmError ? error.code : error)

describe('requests', () => {
  it('are asked and answered both ways at the same time', async () => {
    const { agent, hub } = joinedSessions(p)
    agent.handle('describe', ({ record }) => Promise.resolve({ description: `${record}A` }))
    hub.handle('snapshot.head', () => Promise.resolve({ header: 'head' }))
    const [down, up] = await Promise.all([
      hub.request('describe', { record: 'B' }),
      agent.request('snapshot.head', {}),
    ])
    expect([down.result, up.result]).toEqual([{ description: 'BA' }, { header: 'head' }])
  })

  it('bring back the error that the handler threw, with its facts', async () => {
    const { agent, hub } = joinedSessions(p)
    agent.handle('describe', () => Promise.reject(new OcmError('disk-full', { needBytes: 9 })))
    await expect(hub.request('describe', { record: '' })).rejects.toMatchObject({
      code: 'disk-full',
      facts: { needBytes: 9 },
    })
  })

  it('bring back no text of an error that is not ours, which is told on its own side', async () => {
    const { agent, hub, faults } = joinedSessions(p)
    const failure = new Error('/home/secret')
    agent.handle('describe', () => Promise.reject(failure))
    const answer = await hub.request('describe', { record: '' }).catch((error: unknown) => error)
    expect(JSON.stringify(answer)).not.toContain('secret')
    expect(code(answer)).toBe('internal')
    expect(faults).toEqual([failure])
  })

  it('carry JSON of several records in parts', async () => {
    const { agent, hub } = joinedSessions(p)
    const ids = Array.from({ length: 10_000 }, (_, n) => n.toString(16).padStart(64, '0'))
    hub.handle('pack.missing', (params) => Promise.resolve({ missing: params.ids.toReversed() }))
    const { result } = await agent.request('pack.missing', { ids })
    expect(result.missing).toEqual(ids.toReversed())
  })

  it('longer than a megabyte are refused before anything is sent', async () => {
    const { agent, hub, hubCarrier } = joinedSessions(p)
    const record = 'A'.repeat(2 ** 20)
    await expect(hub.request('describe', { record })).rejects.toMatchObject({ code: 'wrong-use' })
    expect(hubCarrier.sent).toEqual([])
    agent.handle('describe', () => Promise.resolve({ description: record }))
    await expect(hub.request('describe', { record: '' })).rejects.toMatchObject({
      code: 'wrong-use',
    })
  })

  it('nobody handles are answered with version-unsupported', async () => {
    const { hub } = joinedSessions(p)
    await expect(hub.request('describe', { record: '' })).rejects.toMatchObject({
      code: 'version-unsupported',
    })
  })

  it('with params of another shape are malformed', async () => {
    const { agent, hub } = joinedSessions(p)
    agent.handle('describe', () => expect.fail('was called'))
    const params = { record: 7 } as never
    await expect(hub.request('describe', params)).rejects.toMatchObject({ code: 'malformed' })
  })

  it('answered in another shape are malformed', async () => {
    const { agent, hub } = joinedSessions(p)
    agent.handle('describe', () => Promise.resolve({ description: 7 } as never))
    await expect(hub.request('describe', { record: '' })).rejects.toMatchObject({
      code: 'malformed',
    })
  })

  it('with unknown fields are refused by the hub and accepted by an agent, without the fields', async () => {
    const { agent, hub } = joinedSessions(p)
    const seen: unknown[] = []
    const take = (params: unknown) => {
      seen.push(params)
      return Promise.resolve({ description: '', header: '', later: 1 })
    }
    agent.handle('describe', take)
    hub.handle('snapshot.head', take)
    const more = { later: { x: 1 } }
    await expect(agent.request('snapshot.head', more)).rejects.toMatchObject({ code: 'malformed' })
    // The hub refuses the unknown field of the answer; the agent has left out that of the request.
    await expect(hub.request('describe', { record: '', ...more })).rejects.toMatchObject({
      code: 'malformed',
    })
    expect(seen).toEqual([{ record: '' }])
    expect((await agent.request('snapshot.head', {})).result).toEqual({ header: '' })
  })

  it('are 32 at a time; the next waits for a place', async () => {
    const { agent, hub } = joinedSessions(p)
    const waiting: (() => void)[] = []
    agent.handle('discard', async () => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      return {}
    })
    const asked = Array.from({ length: MAX_IN_FLIGHT + 3 }, () =>
      hub.request('discard', { job: id }),
    )
    await settled()
    expect(waiting).toHaveLength(MAX_IN_FLIGHT)
    waiting[0]?.()
    await settled()
    expect(waiting).toHaveLength(MAX_IN_FLIGHT + 1)
    for (const answer of waiting.slice(1)) answer()
    await settled()
    for (const answer of waiting) answer()
    expect(await Promise.all(asked)).toHaveLength(MAX_IN_FLIGHT + 3)
  })
})

/** An agent that works until its signal is aborted, and says what it saw. */
const atWork = () => {
  const sessions = joinedSessions(p)
  const aborted = Promise.withResolvers<unknown>()
  sessions.agent.handle('describe', (_params, _body, { signal }) => {
    signal.addEventListener('abort', () => aborted.resolve(signal.reason))
    return new Promise(() => {})
  })
  return { ...sessions, aborted: aborted.promise }
}

describe('a request that is given up', () => {
  it('is rejected with the reason of its signal, and the handler is told', async () => {
    const { hub, aborted } = atWork()
    const controller = new AbortController()
    const asked = hub.request('describe', { record: '' }, { signal: controller.signal })
    await settled()
    controller.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    expect(code(await aborted)).toBe('job-cancelled')
  })

  it('was never sent when its signal was aborted before', async () => {
    const { hub, hubCarrier } = atWork()
    const asked = hub.request('describe', { record: '' }, { signal: AbortSignal.abort('no') })
    await expect(asked).rejects.toBe('no')
    expect(hubCarrier.sent).toEqual([])
  })

  it('after its deadline is rejected with deadline-passed, and the handler is told', async () => {
    const { hub, clock, aborted } = atWork()
    const asked = hub.request('describe', { record: '' }, { deadlineMs: 500 }).catch(code)
    await clock.advance(499)
    expect(await Promise.race([asked, 'waits'])).toBe('waits')
    await clock.advance(1)
    expect(await asked).toBe('deadline-passed')
    expect(code(await aborted)).toBe('job-cancelled')
  })

  it('without a deadline of its own has thirty seconds; one of Infinity has none', async () => {
    const { hub, clock } = atWork()
    const usual = hub.request('describe', { record: '' }).catch(code)
    const patient = hub.request(
      'describe',
      { record: '' },
      { deadlineMs: Number.POSITIVE_INFINITY },
    )
    await clock.advance(30_000)
    expect(await usual).toBe('deadline-passed')
    await clock.advance(3_600_000)
    expect(await Promise.race([patient, 'waits'])).toBe('waits')
    hub.lost()
    await expect(patient).rejects.toMatchObject({ code: 'link-lost' })
  })

  it('keeps its place until the other side has let go of it', async () => {
    const { agent, hub } = joinedSessions(p)
    let atWorkNow = 0
    const release: (() => void)[] = []
    agent.handle('discard', async () => {
      atWorkNow++
      // A handler that does not look at its signal.
      await new Promise<void>((resolve) => release.push(resolve))
      atWorkNow--
      return {}
    })
    for (let n = 0; n < 3; n++) {
      const controller = new AbortController()
      const { signal } = controller
      const asked = Array.from({ length: MAX_IN_FLIGHT }, () =>
        hub.request('discard', { job: id }, { signal }).catch(code),
      )
      await settled()
      controller.abort('enough')
      await Promise.all(asked)
      await settled()
      expect(atWorkNow).toBe(MAX_IN_FLIGHT)
    }
    for (const go of release.splice(0)) go()
    await settled()
    agent.handle('describe', () => Promise.resolve({ description: '' }))
    await expect(hub.request('describe', { record: '' })).resolves.toBeDefined()
  })
})

describe('events', () => {
  const progress = { job: id, phase: 'files', done: 1, total: 2, unit: 'items' } as const

  it('arrive in order at everyone who listens, until they leave', async () => {
    const { agent, hub } = joinedSessions(p)
    const heard: number[] = []
    const leave = hub.on('job.progress', ({ done }) => heard.push(done))
    hub.on('job.progress', ({ done }) => heard.push(-done))
    agent.emit('job.progress', progress)
    agent.emit('job.progress', { ...progress, done: 2 })
    await settled()
    leave()
    agent.emit('job.progress', { ...progress, done: 3 })
    await settled()
    expect(heard).toEqual([1, -1, 2, -2, -3])
  })

  it('that are malformed, and listeners that throw, are told and end nothing', async () => {
    const { agent, hub, faults } = joinedSessions(p)
    const heard: unknown[] = []
    hub.on('job.progress', () => {
      throw new Error('listener')
    })
    hub.on('job.log', (payload) => heard.push(payload))
    agent.emit('job.log', { job: 'no id', sealed: '' })
    agent.emit('of.the.future' as 'job.log', { job: id, sealed: '' })
    agent.emit('job.progress', progress)
    agent.emit('job.log', { job: id, sealed: 'AA' })
    await settled()
    expect(heard).toEqual([{ job: id, sealed: 'AA' }])
    expect(faults.map((error) => (error instanceof OcmError ? error.code : 'other'))).toEqual([
      'malformed',
      'version-unsupported',
      'other',
    ])
  })
})

describe('the end of a session', () => {
  it('rejects everything in flight with link-lost, on both sides', async () => {
    const { agent, hub, agentCarrier } = joinedSessions(p)
    const reason = Promise.withResolvers<unknown>()
    agent.handle('describe', (_params, _body, { signal }) => {
      signal.addEventListener('abort', () => reason.resolve(signal.reason))
      return new Promise(() => {})
    })
    const asked = hub.request('describe', { record: '' }).catch(code)
    await settled()
    agentCarrier.close()
    expect(await asked).toBe('link-lost')
    expect(code(await reason.promise)).toBe('link-lost')
    expect([code(await hub.closed), code(await agent.closed)]).toEqual(['link-lost', 'link-lost'])
    await expect(hub.request('describe', { record: '' })).rejects.toMatchObject({
      code: 'link-lost',
    })
  })

  it('carries its reason across, sealed', async () => {
    const { agent, hub, hubCarrier } = joinedSessions(p)
    hub.close('node-cloned')
    expect(code(await agent.closed)).toBe('node-cloned')
    expect(code(await hub.closed)).toBe('node-cloned')
    expect(hubCarrier.isClosed).toBe(true)
    expect(Buffer.concat(hubCarrier.sent).includes('node-cloned')).toBe(false)
  })

  it('leaves no timer behind', async () => {
    const { agent, hub, clock } = joinedSessions(p)
    const asked = hub.request('describe', { record: '' }).catch(code)
    await asked
    hub.close('link-lost')
    await agent.closed
    expect(clock.pending).toBe(0)
  })
})

describe('heartbeats', () => {
  it('keep a silent session alive', async () => {
    const { agent, hub, clock } = joinedSessions(p)
    await clock.advance(100 * HEARTBEAT_MS)
    agent.handle('describe', () => Promise.resolve({ description: '' }))
    await expect(hub.request('describe', { record: '' })).resolves.toBeDefined()
  })

  it('that stop coming end it after two and a half intervals', async () => {
    const { agent, hub, agentCarrier, clock } = joinedSessions(p)
    await clock.advance(HEARTBEAT_MS)
    agentCarrier.hold()
    await clock.advance(2.5 * HEARTBEAT_MS - 1)
    expect(await Promise.race([hub.closed, 'lives'])).toBe('lives')
    await clock.advance(1)
    expect(code(await hub.closed)).toBe('link-lost')
    agent.lost()
  })

  it('are sealed like everything else: repeating old ones keeps nothing alive', async () => {
    const { hub, agentCarrier, clock } = joinedSessions(p)
    await clock.advance(HEARTBEAT_MS)
    const [beat] = agentCarrier.sent
    hub.receive(beat as Uint8Array)
    expect(code(await hub.closed)).toBe('malformed')
  })
})
