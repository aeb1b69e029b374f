import { createHash } from 'node:crypto'
import { toCbor } from '@ocm/protocol'
import type { Audit, AuditLine } from '../people/ports.ts'
import type { Database } from './schema.ts'

const hashAfter = (before: string, { at, actor, action, subject }: AuditLine) =>
  createHash('sha256')
    .update(before)
    .update(toCbor([at, actor, action, subject]))
    .digest('hex')

export const auditIn = (db: Database): Audit => ({
  note: (line) =>
    db.transaction().execute(async (tx) => {
      const last = await tx
        .selectFrom('audit')
        .select(['seq', 'hash'])
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst()
      await tx
        .insertInto('audit')
        .values({ ...line, seq: (last?.seq ?? 0) + 1, hash: hashAfter(last?.hash ?? '', line) })
        .execute()
    }),

  newest: (limit) =>
    db
      .selectFrom('audit')
      .select(['at', 'actor', 'action', 'subject'])
      .orderBy('seq', 'desc')
      .limit(limit)
      .execute(),
})

/** The number of the first entry that does not fit the one before it; undefined when all do. */
export async function firstBrokenEntry(db: Database): Promise<number | undefined> {
  let before = ''
  let expected = 1
  for (const entry of await db.selectFrom('audit').selectAll().orderBy('seq').execute()) {
    if (entry.seq !== expected || entry.hash !== hashAfter(before, entry)) return expected
    before = entry.hash
    expected++
  }
  return undefined
}
