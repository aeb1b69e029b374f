/** Packs in memory of which every step waits for its turn, and of which a crash keeps what was synced and maybe the rest. */
import { OcmError } from '@ocm/protocol'
import type { Packs } from '../../nodes/ports.ts'

/** Resolves when whoever orders the steps says so; never, when the process has died. */
export type Gate = () => Promise<void>

interface File {
  bytes: number
  /** As a program sees it, and as it is after a power cut. */
  there: boolean
  synced: boolean
}

export class Disk {
  readonly packs = new Map<string, File>()
  readonly headers = new Map<string, File>()
  changes = 0

  change(files: Map<string, File>, name: string, there: boolean, bytes = 0): File {
    this.changes++
    const file = files.get(name) ?? { bytes, there: false, synced: false }
    file.there = there
    if (there) file.bytes = bytes
    files.set(name, file)
    return file
  }

  /** What was not synced is there or not, as it happens. */
  crash(chance: () => number): void {
    this.changes++
    for (const files of [this.packs, this.headers]) {
      for (const file of files.values()) {
        if (file.there !== file.synced && chance() < 0.5) file.there = file.synced
        file.synced = file.there
      }
    }
  }
}

const sync = (file: File) => {
  file.synced = file.there
}

export function paperPacks(disk: Disk, gate: Gate): Packs {
  const write = async (files: Map<string, File>, name: string, bytes: number) => {
    await gate()
    const file = disk.change(files, name, true, bytes)
    await gate()
    sync(file)
  }
  const remove = async (files: Map<string, File>, names: readonly string[]) => {
    const gone: File[] = []
    for (const name of names) {
      await gate()
      gone.push(disk.change(files, name, false))
    }
    await gate()
    gone.forEach(sync)
  }
  const size = async (id: string) => {
    await gate()
    const file = disk.packs.get(id)
    return file?.there ? file.bytes : undefined
  }
  return {
    size,
    put: (id, bytes) => write(disk.packs, id, bytes),
    remove: (ids) => remove(disk.packs, ids),
    keepHeader: (snapshot) => write(disk.headers, snapshot, 1),
    removeHeader: (snapshot) => remove(disk.headers, [snapshot]),
    async check(id) {
      const found = (await size(id)) === undefined ? 'missing' : 'whole'
      await gate()
      return found
    },
    get() {
      throw new OcmError('internal')
    },
    keepVault: () => Promise.resolve(),
    probe: () => Promise.resolve(),
  }
}
