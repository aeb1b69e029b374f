/** What docs/vectors/ holds: values of the format, made with fixed keys and fixed randomness. */
import { hex, utf8 } from '../../bytes.ts'
import { toCbor } from '../../cbor.ts'
import { PACK_CLASSES } from '../../manifest.ts'
import type { Primitives } from '../../primitives/primitives.ts'
import { sealTo } from '../../sealing.ts'
import { makeStatement } from '../../statements.ts'
import { operatorBox } from '../../vault.ts'
import { contentHash, cutAfter, extentKeys } from '../extent.ts'
import { padme } from '../pack.ts'
import { seeded, stream } from './seeded.ts'
import { PASSPHRASES, RECOVERY_CODE, type SmallStore, smallStore, textOf } from './small-store.ts'

/** Byte strings as `{bytes: hex}`, everything else as JSON has it. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: hex(value) }
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shown(inner)]))
}

const NUMBERS = [
  0,
  23,
  24,
  255,
  256,
  65_535,
  65_536,
  4_294_967_295,
  4_294_967_296,
  9_007_199_254_740_991,
  9_007_199_254_740_992,
  -1,
  -24,
  -25,
  -257,
  -9_007_199_254_740_991,
  1.5,
  0.1,
  65_504.5,
  100_000.5,
  2 ** -20,
  3 * 2 ** -24,
  2 ** -24,
  1e-300,
  1e300,
  1_764_000_000_000.125,
]
const TEXTS = ['', 'a', 'größe \u{1f980}', 'x'.repeat(30)]
const VALUES = [
  ...NUMBERS,
  ...TEXTS,
  true,
  false,
  null,
  [],
  [1, [2, 3]],
  {},
  new Uint8Array(0),
  Uint8Array.of(1, 2, 3),
  { b: 1, a: 2, aa: 3, '': 4, A: new Uint8Array(2), 'a-key-of-more-than-23-bytes': [] },
]

const REFUSED: Readonly<Record<string, string>> = {
  'a number in a longer form': '1817',
  'a length in a longer form': '5801ff',
  'a float that is an integer': 'f93c00',
  'a float in a longer form': 'fa3fc00000',
  'minus zero': 'f98000',
  'an integer above 2^53 - 1': '1b0020000000000000',
  'keys out of order': 'a2616201616101',
  'a key that occurs twice': 'a2616101616102',
  'a key that is no text': 'a10102',
  'a half float below 2^-14 that is no power of two': 'f90003',
  'an indefinite length': '9f01ff',
  'a tag': 'c001',
  undefined: 'f7',
  'a text that is not UTF-8': '61ff',
  'a byte behind the end': '0000',
  'an end that is missing': '4201',
  nothing: '',
}

const CUT_BYTES = 640 * 1024

/** Values of the format one by one. */
export function formatVectors(p: Primitives): unknown {
  const idKey = stream(p, 'vector id key', 32)
  const { gear, idOf } = extentKeys(p, idKey)
  const content = stream(p, 'vector content', CUT_BYTES)
  const cuts: number[] = []
  for (let at = 0; at < CUT_BYTES;) {
    at = cutAfter(gear, content, at, CUT_BYTES)
    cuts.push(at)
  }
  const lengths = [0, 1, 2, 8, 9, 100, 1000, 65_537, 262_143]
  const extent = p.sha256(utf8('an extent'))
  const database = contentHash(p, 'database', 40_000)
  database.update(content.subarray(0, 40_000))
  return {
    cbor: VALUES.map((value) => ({ value: shown(value), hex: hex(toCbor(value)) })),
    cborRefused: REFUSED,
    padme: lengths.map((length) => [length, padme(length)]),
    stream: { label: 'vector content', first: hex(content.subarray(0, 64)) },
    extents: {
      idKey: hex(idKey),
      gear: [...gear.subarray(0, 8)],
      sha256: hex(extent),
      ids: Object.fromEntries(PACK_CLASSES.map((name) => [name, hex(idOf(name, extent))])),
      cutOf: `the first ${CUT_BYTES} bytes of the stream`,
      bytes: CUT_BYTES,
      cuts,
    },
    database: { of: 'the first 40000 bytes of the stream', sha256: hex(database.digest()) },
    sealTo: sealVector(p),
    statement: statementVector(p),
  }
}

function sealVector(p: Primitives) {
  const recipients = [1, 2].map((n) => p.x25519Pair(stream(p, `vector recipient ${n}`, 32)))
  const context = { vault: '00'.repeat(16), epoch: 1, node: '11'.repeat(16), run: '22'.repeat(16) }
  const plain = utf8('what is sealed')
  const drawn: Uint8Array[] = []
  const source = seeded(p, 'vector seal')
  const random = (length: number) => {
    const bytes = source.random(length)
    drawn.push(bytes)
    return bytes
  }
  const fixed = { ...p, random, x25519Pair: (secret = random(32)) => p.x25519Pair(secret) }
  const publics = recipients.map((pair) => pair.public)
  const sealed = sealTo(fixed, publics, 'run-key', context, plain)
  const [ephemeral, contentKey] = drawn.map(hex)
  return {
    recipients: recipients.map((pair) => ({ secret: hex(pair.secret), public: hex(pair.public) })),
    use: 'run-key',
    context,
    plain: hex(plain),
    ephemeral,
    contentKey,
    sealed: hex(sealed),
  }
}

function statementVector(p: Primitives) {
  const pair = p.ed25519Pair(stream(p, 'vector signer', 32))
  const body = { v: 1, name: 'a body' }
  const statement = makeStatement(p, 'snapshot', body, pair)
  return {
    seed: hex(pair.secret),
    public: hex(pair.public),
    kind: 'snapshot',
    body,
    statement: hex(statement),
    id: hex(p.sha256(statement)),
  }
}

const hashOf = (p: Primitives, bytes: Uint8Array | undefined) => bytes && hex(p.sha256(bytes))

export const vectorStore = (p: Primitives): Promise<SmallStore> =>
  smallStore(seeded(p, 'vector store'))

/** A whole store, and what comes out of it. */
export async function storeVectors(p: Primitives): Promise<unknown> {
  const { vault, before, operators, node, slots, snapshots, files } = await vectorStore(p)
  const secretOf = (of: typeof vault) => ({
    epoch: of.epoch,
    sealing: { secret: hex(of.sealing.secret), public: hex(of.sealing.public) },
  })
  return {
    vault: {
      id: vault.id,
      root: { seed: hex(vault.root.secret), public: hex(vault.root.public) },
      epochs: [secretOf(before), secretOf(vault)],
    },
    node: { id: node.id, public: hex(node.key.public) },
    slots: {
      olivia: { opensWith: PASSPHRASES.olivia, slot: hex(p.sha256(slots.olivia)) },
      oscar: {
        opensWith: PASSPHRASES.oscar,
        slot: hex(p.sha256(slots.oscar)),
        box: hex(operatorBox(p, operators.oscar).public),
      },
      recovery: { opensWith: RECOVERY_CODE, slot: hex(p.sha256(slots.recovery)) },
    },
    snapshots: snapshots.map(({ id, header, root, pages, manifest, packs, contents }) => ({
      id,
      header: shown(header),
      root: hex(root),
      pages: pages.map(hex),
      packs: packs.map((pack) => ({ id: pack.id, class: pack.class, key: hex(pack.key) })),
      entries: manifest.entries.map(({ root: name, path, kind }) => ({
        root: name,
        path: hex(path),
        kind,
        sha256: hashOf(p, contents.get(`${name}:${textOf(path)}`)),
      })),
    })),
    files: Object.fromEntries([...files].map(([name, bytes]) => [name, hex(bytes)])),
  }
}
