/** One random order of what a hub and its nodes can do to the store, by a seed. */
import type { Ground } from './ground.ts'
import { World } from './world.ts'

const HOUR = 3_600_000
const STEPS = 70

/** @returns how often each thing happened. @throws what did not hold, with the seed in its message */
export async function interleave(seed: number, ground: Ground): Promise<Record<string, number>> {
  const world = await World.open(seed, ground)
  try {
    for (let step = 0; step < STEPS; step++) {
      begin(world)
      await world.turns.rest()
      const turns = world.upTo(7)
      for (let turn = 0; turn < turns; turn++) {
        await world.turns.take()
        await world.look()
      }
    }
    await world.turns.drain()
    await world.look()
    await world.settle()
    return world.counts
  } catch (error) {
    throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
  } finally {
    await ground.close()
  }
}

function begin(world: World): void {
  const { turns } = world
  // No node is let in, and nothing is done, before what a crash cut off is repaired.
  if (turns.isRunning('repair')) {
    if (world.next() < 0.1) world.crash()
    return
  }
  const node = world.node()
  const index = world.index.get(node) ?? []
  const dice = world.next()
  if (dice < 0.2) turns.begin('put', () => world.put(node, world.newPack()))
  else if (dice < 0.26) {
    const old = world.oneOf([...world.disk.packs.keys()])
    if (old !== undefined) turns.begin('put', () => world.put(node, old))
  } else if (dice < 0.34) turns.begin('ask', () => world.ask(node))
  else if (dice < 0.58) {
    const some = index.filter(() => world.next() < 0.6)
    turns.begin('commit', async () => void (await world.commit(node, some)))
  } else if (dice < 0.66) turns.begin('prune', () => world.prune(world.upTo(3)))
  else if (dice < 0.71) turns.begin('undo', () => world.undo())
  else if (dice < 0.83) {
    if (!turns.isRunning('collect')) turns.begin('collect', () => world.collect())
  } else if (dice < 0.93) world.at += world.upTo(80) * HOUR
  else if (dice < 0.95) turns.begin('scrub', () => world.scrub())
  else if (dice < 0.965) world.steal()
  else world.crash()
}
