import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { keepingValid } from './still-valid.ts'

const TABLE = `
  CREATE TABLE session_nodes (session_key TEXT NOT NULL PRIMARY KEY, entry_json TEXT NOT NULL,
    entry_valid INTEGER NOT NULL DEFAULT 0) STRICT;
  CREATE TRIGGER session_nodes_entry_valid_after_entry_update AFTER UPDATE OF entry_json ON session_nodes
    BEGIN UPDATE session_nodes SET entry_valid = 0 WHERE session_key = NEW.session_key; END;
  INSERT INTO session_nodes VALUES ('valid', '{"cwd":"/old"}', 1), ('pending', '{"cwd":"/old"}', 0),
    ('empty', '{}', -1);`

test('a conversation that OpenClaw has found valid is so after its paths were rewritten, and no other', () => {
  const database = new DatabaseSync(':memory:')
  database.exec(TABLE)
  keepingValid(database, () =>
    database.exec(
      `UPDATE session_nodes SET entry_json = '{"cwd":"/new"}' WHERE entry_json <> '{}'`,
    ),
  )
  expect(
    database.prepare('SELECT session_key, entry_json, entry_valid FROM session_nodes').all(),
  ).toEqual([
    { session_key: 'valid', entry_json: '{"cwd":"/new"}', entry_valid: 1 },
    { session_key: 'pending', entry_json: '{"cwd":"/new"}', entry_valid: 0 },
    { session_key: 'empty', entry_json: '{}', entry_valid: -1 },
  ])
  database.close()
})

test('a database without such marks is only rewritten', () => {
  const database = new DatabaseSync(':memory:')
  expect(keepingValid(database, () => 'done')).toBe('done')
  database.close()
})
