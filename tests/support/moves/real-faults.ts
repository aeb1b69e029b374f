/** What goes wrong in a move of the populated home from under a gateway of the real OpenClaw. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { isReady } from '../openclaw.ts'
import { treeOf } from '../trees.ts'
import { until } from '../until.ts'
import { type Scene, judge } from './cuts.ts'
import { realScene } from './real-scene.ts'
import { speaks } from './row.ts'
import { standIn } from './stand-in.ts'

export interface RealFault {
  readonly name: string
  readonly needs?: 'root'
  /** @param ground an empty directory of its own. @returns what is wrong */
  run(ground: string): Promise<readonly string[]>
}

const MB = 1 << 20

/** A disk of its own that is small, for as long as something is done with it. */
async function onSmallDisk<T>(
  folder: string,
  megabytes: number,
  act: () => Promise<T>,
): Promise<T> {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
  try {
    return await act()
  } finally {
    execFileSync('umount', ['--lazy', folder])
  }
}

/** To the last byte. */
function fill(file: string): void {
  const at = openSync(file, 'w')
  try {
    for (let size = MB; size > 0; size = Math.floor(size / 2)) {
      try {
        for (;;) writeSync(at, Buffer.alloc(size))
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
      }
    }
  } finally {
    closeSync(at)
  }
}

interface Expected {
  readonly codes: readonly string[]
  /** Done while the hub stands still just before it asks for the fence: everything is staged and tried. */
  readonly beforeFence?: () => void
}

/** @returns what is wrong with a move that is to fail and to leave both sides as they were */
async function failedMove(scene: Scene, expected: Expected): Promise<readonly string[]> {
  const { pair } = scene
  const { left, right } = pair.seats
  const was = treeOf(right.home)
  const ofSource = lastingIn(left.home)
  pair.hubHalting.clear()
  if (expected.beforeFence)
    pair.hubHalting.order({ label: 'hub fence running 1', when: 'before' }, 'stand')
  let hasAnswered = false
  const asked = pair.move('left').finally(() => {
    hasAnswered = true
  })
  let isStaged = true
  if (expected.beforeFence) {
    const what = 'everything is staged'
    await until(() => pair.hubHalting.isMet || hasAnswered, { timeoutMs: scene.patienceMs, what })
    isStaged = pair.hubHalting.isMet
    expected.beforeFence()
    pair.hubHalting.go()
  }
  const answer = await asked
  const { code = '' } = answer.out === '' ? {} : (JSON.parse(answer.out) as { code?: string })
  // It is the source's own OpenClaw again, with its bot and its jobs, and no other.
  const wrong = await judge(scene, 'left')
  return [
    ...(answer.code === 1 && expected.codes.includes(code)
      ? []
      : [`it answered ${answer.code} ${answer.out}${answer.err}`]),
    ...(isStaged ? [] : ['it ended before the fence']),
    ...(wrong === '' ? [] : [wrong]),
    ...((await speaks(left.port)) ? [] : ['the source does not speak']),
    ...(JSON.stringify(treeOf(right.home)) === JSON.stringify(was)
      ? []
      : ['the target has changed']),
    ...changesBetween(ofSource, lastingIn(left.home)).map(
      (one) => `the source has changed: ${one}`,
    ),
  ]
}

/**
 * What a stop and a start of its own gateway leave alone: everything of people, and OpenClaw's own but what it writes of
 * itself. Its databases are judged by their jobs and their bot.
 */
const lastingIn = (home: string) => treeOf(home, { without: (name) => ITS_OWN.test(`/${name}`) })

const ITS_OWN =
  /\/(?:tmp|logs|_logs|cache|\.cache|plugin-skills)$|\.sqlite|\.log$|\/openclaw\.json\.(?:last-good|bak)/

function changesBetween(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted()
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name}: ${before[name] ?? 'nothing'} became ${after[name] ?? 'nothing'}`)
}

async function during(
  scene: Promise<Scene & { close(): Promise<void> }>,
  act: (scene: Scene) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const open = await scene
  try {
    return await act(open)
  } finally {
    await open.close()
  }
}

export const REAL_FAULTS: readonly RealFault[] = [
  {
    name: 'the disk of the target is full when the last changes arrive',
    needs: 'root',
    run: (ground) => {
      const disk = join(ground, 'disk')
      // Enough for the node, the copy that is tried and what a plan keeps free.
      return onSmallDisk(disk, 320, () =>
        during(realScene(join(ground, 'scene'), { right: join(disk, 'ada') }), async (scene) => {
          const ballast = join(disk, 'ballast')
          return failedMove(scene, { codes: ['disk-full'], beforeFence: () => fill(ballast) })
        }),
      )
    },
  },
  {
    name: 'the gateway of the target is never ready: it fences itself and hands back',
    run: (ground) => {
      const fault = { asksReal: true, isTriedWell: true, fault: 'never-ready' } as const
      const openclaw = standIn(join(ground, 'openclaw'), fault)
      return during(realScene(join(ground, 'scene'), { openclaw }), (scene) =>
        failedMove(scene, { codes: ['openclaw-unhealthy'] }),
      )
    },
  },
  {
    name: 'a channel that cannot be reached keeps the source from stopping: it is waited for',
    // Nobody answers in a network that is for documentation.
    run: (ground) =>
      during(realScene(join(ground, 'scene'), { apiRoot: 'http://192.0.2.1:9' }), async (scene) => {
        const { pair, jobsAt, jobs } = scene
        const { left, right } = pair.seats
        const began = performance.now()
        const { code, out, err } = await pair.move('left')
        const seconds = Math.round((performance.now() - began) / 1000)
        console.log(`           the whole move took ${seconds} s`)
        const speaking = [await isReady(left.port), await speaks(right.port)]
        const found = jobsAt(right.home)
        return [
          ...(code === 0 ? [] : [`it answered ${code} ${out}${err}`]),
          ...(speaking.join() === 'false,true' ? [] : [`ready: ${speaking.join()}`]),
          ...(found?.join() === [...jobs].toSorted().join()
            ? []
            : [`the jobs are ${found?.join()}`]),
        ]
      }),
  },
]
