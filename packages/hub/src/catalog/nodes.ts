import { fromHex, hex } from '@ocm/protocol'
import type { Selectable } from 'kysely'
import type { Node, NodeCatalog, StoredTicket } from '../nodes/ports.ts'
import type { Database, Schema } from './schema.ts'

export const nodesIn = (db: Database): NodeCatalog => ({
  async nodes() {
    const rows = await db.selectFrom('nodes').selectAll().orderBy('enrolled_at').execute()
    return rows.map(nodeFrom)
  },

  async node(id) {
    const row = await db.selectFrom('nodes').selectAll().where('id', '=', id).executeTakeFirst()
    return row && nodeFrom(row)
  },

  async nodeByKey(key) {
    const row = await db
      .selectFrom('nodes')
      .selectAll()
      .where('key', '=', hex(key))
      .executeTakeFirst()
    return row && nodeFrom(row)
  },

  enrol: (ticket, node) =>
    db.transaction().execute(async (tx) => {
      const burnt = await tx
        .updateTable('tickets')
        .set({ used_at: node.enrolledAt })
        .where('id', '=', ticket)
        .where('used_at', 'is', null)
        .executeTakeFirst()
      if (burnt.numUpdatedRows !== 1n) return false
      await tx.insertInto('nodes').values(rowOf(node)).execute()
      await tx.updateTable('tickets').set({ node: node.id }).where('id', '=', ticket).execute()
      return true
    }),

  async saw(id, { sequence, boot, agentVersion, at }) {
    await db
      .updateTable('nodes')
      .set({
        seq_stored: sequence.stored,
        seq_pending: sequence.pending,
        boot,
        agent_version: agentVersion,
        last_seen_at: at,
      })
      .where('id', '=', id)
      .execute()
  },

  async setSequence(id, { stored, pending }) {
    await db
      .updateTable('nodes')
      .set({ seq_stored: stored, seq_pending: pending })
      .where('id', '=', id)
      .execute()
  },

  async lastSeen(id, at) {
    await db.updateTable('nodes').set({ last_seen_at: at }).where('id', '=', id).execute()
  },

  async setLabel(id, label) {
    await db.updateTable('nodes').set({ label }).where('id', '=', id).execute()
  },

  async setState(id, state) {
    await db.updateTable('nodes').set({ state }).where('id', '=', id).execute()
  },

  async setMovedTo(id, target) {
    await db.updateTable('nodes').set({ moved_to: target }).where('id', '=', id).execute()
  },

  async tickets() {
    const rows = await db
      .selectFrom('tickets')
      .selectAll()
      .orderBy('created_at', 'desc')
      .limit(200)
      .execute()
    return rows.map(ticketFrom)
  },

  async ticket(id) {
    const row = await db.selectFrom('tickets').selectAll().where('id', '=', id).executeTakeFirst()
    return row && ticketFrom(row)
  },

  async addTicket({ id, key, label, expiresAt, statement, usedAt, node }, at) {
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('tickets')
      .values({
        id,
        key: hex(key),
        label,
        expires_at: expiresAt,
        statement,
        created_at: at,
        used_at: usedAt,
        node,
      })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  },
})

const nodeFrom = (row: Selectable<Schema['nodes']>): Node => ({
  id: row.id,
  key: fromHex(row.key),
  label: row.label,
  state: row.state,
  sequence: { stored: row.seq_stored, pending: row.seq_pending },
  boot: row.boot,
  ticket: row.ticket,
  enrolment: row.enrolment,
  agentVersion: row.agent_version,
  enrolledAt: row.enrolled_at,
  lastSeenAt: row.last_seen_at,
  movedTo: row.moved_to,
})

export const rowOf = (node: Node): Selectable<Schema['nodes']> => ({
  id: node.id,
  key: hex(node.key),
  label: node.label,
  state: node.state,
  seq_stored: node.sequence.stored,
  seq_pending: node.sequence.pending,
  boot: node.boot,
  ticket: node.ticket,
  enrolment: node.enrolment,
  agent_version: node.agentVersion,
  enrolled_at: node.enrolledAt,
  last_seen_at: node.lastSeenAt,
  moved_to: node.movedTo,
})

const ticketFrom = (row: Selectable<Schema['tickets']>): StoredTicket => ({
  id: row.id,
  key: fromHex(row.key),
  label: row.label,
  expiresAt: row.expires_at,
  statement: row.statement,
  usedAt: row.used_at,
  node: row.node,
})
