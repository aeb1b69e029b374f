/** A persona that is called something else on its new node: its own database names it in every conversation's key. */
import type { DatabaseSync } from 'node:sqlite'
import type { Renamed } from '@ocm/protocol'
import { changeWhole } from '../change-whole.ts'
import { quote, shapeOf, tablesIn } from '../database-rows.ts'
import { mapStrings } from '../strings.ts'

/** @param file of the persona's database, which nobody has open */
export function renameInDatabase(file: string, renamed: Renamed): void {
  changeWhole(file, (database) => {
    for (const { name, hasRowids } of tablesIn(database)) {
      const { texts } = shapeOf(database, name, hasRowids)
      for (const column of texts) renameIn(database, name, column, renamed)
    }
  })
}

/** Columns that hold the id itself; anywhere else it stands in keys of conversations. */
const IDS = new Set(['agent_id', 'owner_agent_id'])

function renameIn(
  database: DatabaseSync,
  table: string,
  column: string,
  { from, to }: Renamed,
): void {
  const [t, c] = [quote(table), quote(column)]
  if (IDS.has(column)) {
    database.prepare(`UPDATE ${t} SET ${c} = ? WHERE ${c} = ?`).run(to, from)
    return
  }
  const [was, is] = [`agent:${from}:`, `agent:${to}:`]
  database
    .prepare(
      `UPDATE ${t} SET ${c} = ? || substr(${c}, ?) WHERE typeof(${c}) = 'text' AND substr(${c}, 1, ?) = ?`,
    )
    .run(is, was.length + 1, was.length, was)
  // In JSON a key of a conversation is a string that begins with it.
  database
    .prepare(
      `UPDATE ${t} SET ${c} = replace(${c}, ?, ?) WHERE typeof(${c}) = 'text' AND instr(${c}, ?) > 0`,
    )
    .run(`"${was}`, `"${is}`, `"${was}`)
}

/** The same in a value: ids where they are said to be one, and keys of conversations anywhere. */
export function renameInValue(value: unknown, personas: readonly Renamed[]): unknown {
  return mapStrings(value, {
    text: (text, keys) => {
      for (const { from, to } of personas) {
        if (from === to) continue
        if (isId(keys) && text.trim().toLowerCase() === from) return to
        if (text.startsWith(`agent:${from}:`)) return `agent:${to}${text.slice(6 + from.length)}`
      }
      return text
    },
  })
}

const isId = (keys: readonly string[]): boolean => {
  const key = keys.findLast((one) => !/^\d+$/.test(one)) ?? ''
  return key === 'agentId' || key === 'allowAgents'
}
