/** Snapshots, their signed headers, and the sealed packs behind them. */
import { Readable } from 'node:stream'
import {
  base64url,
  Hash,
  HeaderState,
  Id,
  OcmError,
  PACK_HEADER_MAX_BYTES,
  PackHeaders,
  PackHeadersRequest,
  SnapshotState,
  Strict,
} from '@ocm/protocol'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import type { NodeCatalog, Packs, SnapshotCatalog } from '../nodes/ports.ts'
import { route } from './route.ts'
import { sendPieces } from './send-pieces.ts'

export interface SnapshotNeeds {
  readonly snapshots: SnapshotCatalog
  readonly nodes: NodeCatalog
  readonly packs: Packs
}

const ByHash = Strict({ id: Hash })
const Listed = Type.Object(
  { node: Type.Optional(Id), pruned: Type.Optional(Type.Enum(['true', 'false'])) },
  { additionalProperties: false },
)
const ASKED_AT_ONCE_BYTES = 512 * 1024
/** Read side by side. */
const ABREAST = 16
/** Magic and length, before a pack's header. */
const BEFORE_HEADER = 12

export function snapshotRoutes(api: FastifyInstance, needs: SnapshotNeeds): void {
  const { snapshots, nodes, packs } = needs

  route(api, 'GET', '/snapshots', { query: Listed, answer: Type.Array(SnapshotState) }, (request) =>
    snapshots.snapshots(request.query.node, request.query.pruned === 'true'),
  )

  const snapshotOf = async (id: string) => {
    const found = await snapshots.snapshot(id)
    if (!found) throw new OcmError('not-found', { what: 'snapshot' })
    return found
  }

  route(
    api,
    'GET',
    '/snapshots/:id',
    { params: ByHash, answer: SnapshotState },
    async (request) => {
      const { header: _, ...state } = await snapshotOf(request.params.id)
      return state
    },
  )

  route(
    api,
    'GET',
    '/snapshots/:id/header',
    { params: ByHash, answer: HeaderState },
    async (request) => {
      const { header, node: id } = await snapshotOf(request.params.id)
      const node = await nodes.node(id)
      if (!node) throw new OcmError('node-unknown')
      return { header: base64url(header), nodeKey: base64url(node.key) }
    },
  )

  route(
    api,
    'POST',
    '/packs/headers',
    { body: PackHeadersRequest, answer: PackHeaders, bodyLimit: ASKED_AT_ONCE_BYTES },
    async (request) => {
      const headers: string[] = []
      // Each takes a while where packs are far away.
      for (let from = 0; from < request.body.ids.length; from += ABREAST) {
        const part = request.body.ids.slice(from, from + ABREAST)
        const starts = await Promise.all(part.map((id) => startOf(packs, id)))
        headers.push(...starts.map(base64url))
      }
      return { headers }
    },
  )

  route(api, 'GET', '/packs/:id', { params: ByHash }, async (request, reply) => {
    const { id } = request.params
    const bytes = (await snapshots.isPack(id)) ? await packs.size(id) : undefined
    if (bytes === undefined) throw new OcmError('pack-missing')
    const range = rangeOf(request.headers.range, bytes)
    void reply
      .type('application/octet-stream')
      .header('accept-ranges', 'bytes')
      .header('content-disposition', 'attachment')
      .header('content-length', range.length)
    if (range.length < bytes) {
      const last = range.offset + range.length - 1
      void reply.status(206).header('content-range', `bytes ${range.offset}-${last}/${bytes}`)
    }
    if (request.method === 'HEAD') return reply.send(Readable.from([]))
    const room = new Uint8Array(Math.min(AT_ONCE, range.length))
    return sendPieces(reply, packs.get(id, range.offset, range.length, room))
  })
}

/** Bytes of a pack that are on their way at once. */
const AT_ONCE = 512 * 1024

/** A pack up to the end of its header, which anybody may read. */
async function startOf(packs: Packs, id: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  const length = BEFORE_HEADER + PACK_HEADER_MAX_BYTES
  for await (const piece of packs.get(id, 0, length)) pieces.push(piece)
  const start = Buffer.concat(pieces)
  const header = start.length < BEFORE_HEADER ? 0 : start.readUInt32BE(BEFORE_HEADER - 4)
  return start.subarray(0, BEFORE_HEADER + header)
}

/**
 * One range of bytes; a header of any other form asks for all of it.
 * @throws OcmError 'malformed' for one that begins behind the end
 */
function rangeOf(header: string | undefined, bytes: number): { offset: number; length: number } {
  const [, first, last = ''] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === undefined) return { offset: 0, length: bytes }
  const offset = Number(first)
  const end = last === '' ? bytes : Math.min(Number(last) + 1, bytes)
  if (end <= offset) throw new OcmError('malformed', { what: 'range' })
  return { offset, length: end - offset }
}
