/** SQLite's own check, in a thread: on a large database it takes seconds. */
import { Worker } from 'node:worker_threads'

/**
 * A text and no file of its own, because the agent is one file. Opening a copy for writing rolls back or takes in what
 * lies beside it; closing it leaves the database alone.
 */
const CHECK = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
for (const path of workerData) {
  let flaw = ''
  try {
    const database = new DatabaseSync(path)
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

/** @returns what is wrong with each, '' for nothing. */
export function checkDatabases(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (paths.length === 0) return Promise.resolve(new Map())
  const flaws = new Map<string, string>()
  return new Promise((resolve, reject) => {
    const worker = new Worker(CHECK, { eval: true, workerData: paths })
    worker.on('message', ([path, flaw]: [string, string]) => flaws.set(path, flaw))
    worker.on('error', reject)
    worker.on('exit', () => resolve(flaws))
  })
}
