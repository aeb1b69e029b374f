/** SQLite's own check, in a thread: on a large database it takes seconds. */
import { Worker } from 'node:worker_threads'
import { pathToBytes } from '@ocm/protocol'

/**
 * A text and no file of its own, because the agent is one file. Opening a copy for writing rolls back or takes in what
 * lies beside it; closing it leaves the database alone. An original is opened as immutable: nothing is made beside it.
 */
const CHECK = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
for (const [path, original] of workerData) {
  let flaw = ''
  try {
    const database = original ? new DatabaseSync(new URL(original), { readOnly: true }) : new DatabaseSync(path)
    try {
      const rows = database.prepare('PRAGMA quick_check(1)').all()
      const says = String(Object.values(rows[0] ?? {})[0] ?? 'it cannot be checked')
      if (says !== 'ok') flaw = says
    } finally {
      database.close()
    }
  } catch (error) {
    flaw = error.message
  }
  parentPort.postMessage([path, flaw])
}
`

/** @param paths of copies. @returns what is wrong with each, '' for nothing. */
export const checkDatabases = (paths: readonly string[]): Promise<ReadonlyMap<string, string>> =>
  check(paths.map((path) => [path, '']))

/** The same for databases that nobody has open, where they lie. */
export const checkOriginals = (paths: readonly string[]): Promise<ReadonlyMap<string, string>> =>
  check(paths.map((path) => [path, immutableUrl(path)]))

function check(work: readonly (readonly [string, string])[]): Promise<ReadonlyMap<string, string>> {
  if (work.length === 0) return Promise.resolve(new Map())
  const flaws = new Map<string, string>()
  return new Promise((resolve, reject) => {
    const worker = new Worker(CHECK, { eval: true, workerData: work })
    worker.on('message', ([path, flaw]: [string, string]) => flaws.set(path, flaw))
    worker.on('error', reject)
    worker.on('exit', () => resolve(flaws))
  })
}

function immutableUrl(path: string): string {
  const escaped = [...pathToBytes(path)].map((byte) => {
    const letter = String.fromCharCode(byte)
    return /[A-Za-z0-9/._~-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, '0')}`
  })
  return `file://${escaped.join('')}?immutable=1`
}
