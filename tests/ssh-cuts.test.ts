/** A lease that is cut at each of its steps ends, leaves nothing, and what was at work goes on with the next one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHub } from './support/programs.ts'
import { CUTS, CUT_HOW, type CutScene, roomsOf, startCutScene } from './support/ssh/cuts.ts'
import { whyNoSshd } from './support/ssh/sshd.ts'

/** Every second; `npm run proof -- ssh-cuts` plays all. */
const cuts = CUTS.map((cut, i) => [cut.at, CUT_HOW[i % CUT_HOW.length] ?? 'client', cut] as const)

describe.skipIf(whyNoSshd() !== undefined)('a lease', () => {
  let scene: CutScene

  beforeAll(async () => {
    scene = await startCutScene()
  })
  afterAll(() => scene?.close())

  it.each(cuts)('cut at %s, by its %s, leaves nothing', async (at, how, expected) => {
    const { ms, lease, job, left, ended } = await scene.play(at, how)
    expect(left).toEqual([])
    expect(ms).toBeLessThan(5_000)
    const said = lease.problem?.code ?? lease.state
    expect({ at, lease: said, held: lease.held, job, ended }).toEqual({
      job: undefined,
      ended: undefined,
      held: false,
      ...expected,
    })
  })

  it('is not begun for a node that is retired', async () => {
    const { fleet, lender, node } = scene
    await fleet.operator.json('nodes', 'retire', 'alpha')
    await expect(lender.lease(node)).rejects.toThrow('node-revoked')
    const put = lender.api('PUT', `/nodes/${node}/ssh`, { delegation: 'AAAA' })
    await expect(put).rejects.toThrow('node-revoked')
  })

  it('whose hub is killed, and its borrower with it, is cleared away at the next start', async () => {
    const { fleet, lender } = scene
    const { data, process: hub } = fleet.hub
    await lender.lease(null)
    expect(roomsOf(data)).toHaveLength(1)
    scene.killBorrowers('STOP')
    await fleet.hub.kill()
    scene.killBorrowers('KILL')
    expect(hub.exitCode ?? hub.signalCode).toBe('SIGKILL')
    expect(roomsOf(data)).toHaveLength(1)
    const next = await startHub(data)
    try {
      expect(roomsOf(data)).toEqual([])
    } finally {
      await next.stop()
    }
  })
})
