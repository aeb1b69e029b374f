import type { Schedule } from '@ocm/protocol'
import type { ScheduleCatalog } from '../schedules/ports.ts'
import type { Database } from './schema.ts'

export const schedulesIn = (db: Database): ScheduleCatalog => ({
  async schedules() {
    const rows = await db.selectFrom('schedules').selectAll().orderBy('node').execute()
    return rows.map(({ node, schedule, since }) => ({
      node,
      schedule: JSON.parse(schedule) as Schedule,
      since,
    }))
  },

  async setSchedule(node, schedule, at) {
    if (schedule === null) {
      await db.deleteFrom('schedules').where('node', '=', node).execute()
      return
    }
    const row = { schedule: JSON.stringify(schedule), since: at }
    await db
      .insertInto('schedules')
      .values({ node, handed_to: null, ...row })
      .onConflict((conflict) => conflict.column('node').doUpdateSet(row))
      .execute()
  },

  async begun(node, at) {
    await db.updateTable('schedules').set({ since: at }).where('node', '=', node).execute()
  },

  handOn: (at) =>
    db.transaction().execute(async (tx) => {
      const moved = await tx
        .selectFrom('schedules')
        .innerJoin('nodes', 'nodes.id', 'schedules.node')
        .select(['schedules.node', 'schedules.schedule', 'schedules.handed_to', 'nodes.moved_to'])
        .where('nodes.moved_to', 'is not', null)
        .execute()
      const handed: string[] = []
      for (const { node, schedule, handed_to: before, moved_to: target } of moved) {
        if (target === null || target === before) continue
        await tx
          .updateTable('schedules')
          .set({ handed_to: target })
          .where('node', '=', node)
          .execute()
        const added = await tx
          .insertInto('schedules')
          .values({ node: target, schedule, since: at, handed_to: null })
          .onConflict((conflict) => conflict.column('node').doNothing())
          .executeTakeFirst()
        if (added.numInsertedOrUpdatedRows === 1n) handed.push(target)
      }
      return handed
    }),
})
