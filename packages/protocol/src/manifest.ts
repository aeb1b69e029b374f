/**
 * What a snapshot consists of. The manifest is sealed: only operators, and a node that an order grants it to, read it.
 * It is stored as a sequence of pages (`tree` class) so that an unchanged part is not stored twice.
 */
import { type Static, Type } from 'typebox'
import { Hash } from './ids.ts'
import { Layout, RootId } from './layout.ts'
import { Bytes, Count, Millis, Strict } from './shapes.ts'

/** The parts of a node that can be chosen by themselves. */
export const SECTIONS = [
  'gateway',
  'personas',
  'credentials',
  'cron',
  'environment',
  'workspaces',
  'skills',
  'plugins',
  'channels',
  'history',
] as const
export const Section = Type.Enum([...SECTIONS])
export type Section = (typeof SECTIONS)[number]

/** What may be in one pack together. */
export const PACK_CLASSES = ['secret', 'state', 'bulk', 'tree'] as const
export const PackClass = Type.Enum([...PACK_CLASSES])
export type PackClass = (typeof PACK_CLASSES)[number]

/**
 * Where something may go. `always`: restore, move and clone. `identity`: restore and move, never a clone, because two
 * nodes would then be one. `host`: only back to the machine it was captured on. `never`: kept for the record.
 */
export const Travel = Type.Enum(['always', 'identity', 'host', 'never'])
export type Travel = 'always' | 'identity' | 'host' | 'never'

/** Bytes of a segment: pack, number of the segment in it, first byte and length in the segment's plaintext. */
export const ExtentRef = Type.Tuple([Bytes(32), Count, Count, Count])
export type ExtentRef = Static<typeof ExtentRef>

export const Entry = Strict({
  root: RootId,
  path: Bytes(),
  kind: Type.Enum(['file', 'directory', 'link', 'database']),
  section: Section,
  /** The persona it belongs to, if it belongs to one. */
  persona: Type.Optional(Type.String()),
  travel: Travel,
  /** Permission bits, 0o7777 at most. */
  mode: Type.Integer({ minimum: 0, maximum: 0o7777 }),
  modifiedAt: Type.Number(),
  /** Bytes of the content; of the target for a link; 0 for a directory. */
  size: Count,
  /** SHA-256 of the content; of a database that of the SHA-256s of its pieces (see `contentHash`). */
  sha256: Type.Optional(Bytes(32)),
  extents: Type.Optional(Type.Array(ExtentRef)),
  /** A link's target as it stands. */
  target: Type.Optional(Bytes()),
  /** Why this entry is not to be trusted blindly: it changed while it was read. */
  unstable: Type.Optional(Type.Literal(true)),
})
export type Entry = Static<typeof Entry>

/** What was left out and why, and what could not be read. */
export const Omission = Strict({
  root: RootId,
  path: Bytes(),
  why: Type.Enum(['regenerable', 'unreadable', 'vanished', 'special', 'other-filesystem']),
})
export type Omission = Static<typeof Omission>

/** One place where a path, host, port or identity stands. */
export const Mention = Strict({
  /** The entry it stands in. */
  root: RootId,
  path: Bytes(),
  /** Where inside: a JSON pointer, `table.column key`, a line. For people and for telling mentions apart; opaque to the plan. */
  at: Type.String(),
  section: Section,
  kind: Type.Enum(['path', 'host', 'port', 'identity', 'command']),
  /**
   * `structured`: a field that means a path, rewritten. `prose`: text for people or models, shown and rewritten only if
   * chosen. `unknown`: a string that looks like a path in a place OCM has no rule for, rewritten and reported.
   */
  class: Type.Enum(['structured', 'prose', 'unknown']),
  /** The text as it stands; of prose the line around it. */
  text: Type.String(),
  /** The root that the path in it lies under, '' when under none. */
  under: Type.String(),
  /** What it names has to be there: a program is to be run from it, a directory to be worked in. */
  needed: Type.Optional(Type.Literal(true)),
  /** It was not there when the snapshot was captured. */
  missing: Type.Optional(Type.Literal(true)),
  /**
   * Nothing stands there: the place is found from this directory around it; '' when only the process was told of it.
   * See `placeToName`.
   */
  implied: Type.Optional(Type.String()),
})
export type Mention = Static<typeof Mention>

/** Something countable that lives in rows or fields rather than in files, with what happens to it. */
export const Holding = Strict({
  /** Neutral name, e.g. 'cron jobs', 'device identity', 'gateway token', 'pairings'. */
  what: Type.String(),
  section: Section,
  travel: Travel,
  count: Count,
})
export type Holding = Static<typeof Holding>

/** What OpenClaw itself lists. Sorted, so that two inventories are compared by value. */
export const Inventory = Strict({
  personas: Type.Array(Type.String()),
  cron: Type.Array(
    Strict({
      id: Type.String(),
      name: Type.String(),
      /** False for those that OpenClaw makes itself. */
      user: Type.Boolean(),
      enabled: Type.Boolean(),
      persona: Type.String(),
      schedule: Type.String(),
    }),
  ),
  authProfiles: Type.Array(Type.String()),
  plugins: Type.Array(Type.String()),
  skills: Type.Array(Type.String()),
  channels: Type.Array(Type.String()),
  pairings: Count,
  /** Conversation ids by persona. */
  sessions: Type.Record(Type.String(), Type.Array(Type.String())),
})
export type Inventory = Static<typeof Inventory>

/** For comparing, beside the configuration and the inventory. A snapshot of an older agent has none. */
export const Views = Strict({
  /** JSON pointers into `config` of what this machine or OpenClaw writes by itself, and of the node's own tokens and ports. */
  machine: Type.Array(Type.String()),
  /** `root:path` of files that `config`, `inventory` or `cron` tell by their meaning, so that their bytes need not be compared. */
  files: Type.Array(Type.String()),
  /** Variables that are set for the gateway, by name; secrets hidden as in `config`. */
  environment: Type.Record(Type.String(), Type.String()),
  /** What people decide about each cron job, by id: what it does and when; secrets hidden as in `config`. */
  cron: Type.Record(Type.String(), Type.Unknown()),
})
export type Views = Static<typeof Views>

/**
 * What a database holds that this version of OCM has no rules for: it was captured whole and looked through for paths,
 * and whether that was all that had to be done to it nobody knows.
 */
export const Unknowns = Strict({
  /** `root:path` of the database. */
  name: Type.String(),
  /** Its schema, and the newest that OCM knows of this kind of database. */
  schema: Count,
  known: Count,
  /** Tables with rows, and columns as `table.column`. */
  parts: Type.Array(Type.String()),
})
export type Unknowns = Static<typeof Unknowns>

/**
 * What a part of a node is made of and stands on, so that a choice of parts can be judged without knowing what they are.
 */
export const Tie = Strict({
  /** A persona or cron job by its id, a place in the configuration by its JSON pointer, a section by its name. */
  part: Strict({ kind: Type.Enum(['persona', 'cron', 'config', 'section']), name: Type.String() }),
  way: Type.Enum(['needs', 'brings']),
  /**
   * Of both ways: a persona, a channel, a model provider, a credential, a variable, a source of secrets. Only brought:
   * a place in the configuration; a root with all that is in it; a directory as `root:path`; and, also as `root:path`,
   * a file that parts share, out of which each is taken by itself.
   */
  what: Type.Enum([
    'persona',
    'channel',
    'provider',
    'credential',
    'variable',
    'secrets',
    'config',
    'root',
    'directory',
    'shared',
  ]),
  name: Type.String(),
  /** It does not go along with a clone. */
  identity: Type.Optional(Type.Literal(true)),
})
export type Tie = Static<typeof Tie>

/** What a capture could not look through, or has no rule for: a plan tells it. */
export const Blind = Strict({
  /** Fields of the configuration, by JSON pointer, that are places by OpenClaw's own word alone. */
  fields: Type.Array(Strict({ at: Type.String(), text: Type.String() })),
  /** OpenClaw was not asked for its word yet, or did not answer: such fields are not told. */
  unasked: Type.Optional(Type.Literal(true)),
  /** Files that were not looked through for places. */
  texts: Count,
  /** The first of them. */
  first: Type.Array(
    Strict({
      root: RootId,
      path: Bytes(),
      section: Section,
      size: Count,
      /** Why: a database of somebody else's, or letters in another encoding than UTF-8; absent: it is too large. */
      is: Type.Optional(Type.Enum(['database', 'encoding'])),
    }),
  ),
})
export type Blind = Static<typeof Blind>

export const ManifestMeta = Strict({
  v: Type.Literal(1),
  layout: Layout,
  /** Null when the installation could not be asked, e.g. because its configuration is invalid. */
  inventory: Type.Union([Inventory, Type.Null()]),
  /** The configuration as a tree with includes resolved and secrets replaced by their fingerprints, for comparison. */
  config: Type.Unknown(),
  holdings: Type.Array(Holding),
  /** Absent when there is nothing unknown. */
  unknowns: Type.Optional(Type.Array(Unknowns)),
  /** Absent when there is nothing of it. */
  blind: Type.Optional(Blind),
  /** Plugins that were installed, and the directory that each runs from; absent when there are none. */
  plugins: Type.Optional(Type.Array(Strict({ id: Type.String(), path: Type.String() }))),
  views: Type.Optional(Views),
  warnings: Type.Array(Strict({ code: Type.String(), detail: Type.String() })),
  /** Absent in snapshots from before there was a choice of parts. */
  ties: Type.Optional(Type.Array(Tie)),
  /** The highest epoch that this node was to be fenced under; absent when it never was. */
  fenceEpoch: Type.Optional(Count),
  /** The run that wrote this. */
  startedAt: Millis,
})
export type ManifestMeta = Static<typeof ManifestMeta>

export interface Manifest extends ManifestMeta {
  readonly entries: readonly Entry[]
  readonly omissions: readonly Omission[]
  readonly mentions: readonly Mention[]
}

export const ManifestPage = Type.Union([
  Type.Tuple([Type.Literal('meta'), ManifestMeta]),
  Type.Tuple([Type.Literal('entries'), Type.Array(Entry)]),
  Type.Tuple([Type.Literal('omissions'), Type.Array(Omission)]),
  Type.Tuple([Type.Literal('mentions'), Type.Array(Mention)]),
])
export type ManifestPage = Static<typeof ManifestPage>

/** Sealed into the snapshot's header: where the pages are. Each page is the CBOR of one ManifestPage. */
export const ManifestRoot = Strict({
  v: Type.Literal(1),
  pages: Type.Array(Strict({ bytes: Count, sha256: Bytes(32), extents: Type.Array(ExtentRef) })),
  /**
   * Every pack that pages and entries refer to, sorted by id. `header` is the SHA-256 of the pack's header: without it
   * a hub could show the header of another pack when a grant is made, and a grant would hold that other pack's key.
   */
  packs: Type.Array(Strict({ id: Bytes(32), bytes: Count, class: PackClass, header: Bytes(32) })),
})
export type ManifestRoot = Static<typeof ManifestRoot>

export const PackList = Type.Array(
  Strict({
    id: Hash,
    bytes: Count,
    class: PackClass,
    /** How many plaintext bytes of it this snapshot uses. */
    liveBytes: Count,
  }),
)
