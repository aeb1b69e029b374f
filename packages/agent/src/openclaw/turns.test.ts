import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { endTurns, openTurns } from './turns.ts'

test('a run that nobody can read keeps nothing from being captured, and is not taken up again', () => {
  const database = new DatabaseSync(':memory:')
  database.exec(`
    CREATE TABLE subagent_runs (run_id TEXT PRIMARY KEY, payload_json TEXT);
    INSERT INTO subagent_runs VALUES ('cut', '{"execution":{'), ('over', '{"endedAt":1}');`)
  expect(openTurns(database, 'state')).toBe(1)
  expect(endTurns(database, 'state')).toBe(1)
  expect(database.prepare('SELECT run_id FROM subagent_runs').all()).toEqual([{ run_id: 'over' }])
  database.close()
})
