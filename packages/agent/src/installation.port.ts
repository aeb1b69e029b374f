/**
 * What capture and apply need of the OpenClaw installation they work on. Implemented in `openclaw/`, the only folder
 * that spells OpenClaw's own names. Paths are absolute strings in the byte-preserving form of protocol's layout.ts.
 */
import type {
  Blind,
  Choices,
  FingerprintKind,
  Graft,
  Holding,
  IdentityPrint,
  Inventory,
  Layout,
  ManifestMeta,
  Mention,
  Obstacle,
  Omission,
  PackClass,
  PlacedPath,
  RewriteRule,
  Section,
  TargetFacts,
  TargetWish,
  Tie,
  Travel,
  Views,
} from '@ocm/protocol'

/** Where something goes in a snapshot, and where the snapshot may take it. */
export interface Placement {
  readonly section: Section
  readonly class: Exclude<PackClass, 'tree'>
  readonly travel: Travel
  readonly persona?: string
}

/** A database that a plain copy would tear: captured by a pinned online copy. */
export interface DatabaseSource extends Placement {
  readonly place: PlacedPath
  readonly absolute: string
  /** What kind of schema it has, e.g. the key under layout.versions.schemas. */
  readonly role: string
}

/** What belongs to this installation right now. Made anew for each capture. */
export interface Survey {
  readonly layout: Layout
  /** What the snapshot is to say instead: of an archive that was unpacked, where everything lay on its node. */
  readonly origin?: Layout
  /** What to walk, outermost first; a root that lies inside another is walked with it and placed by its own name. */
  readonly trees: readonly {
    readonly root: string
    readonly absolute: string
    readonly kind: 'directory' | 'file'
  }[]
  /** Called for everything found while walking; an omitted directory is not entered. */
  classify(
    place: PlacedPath,
    kind: 'file' | 'directory' | 'link',
  ): Placement | { readonly omit: Omission['why'] } | { readonly skip: true }
  /**
   * Tells databases from everything else in what was found, all of it or a part: reads the first bytes of those few files that may
   * be one. What SQLite keeps beside a database is in neither list.
   */
  separate<F extends FoundThing>(found: readonly F[]): Separated<F>
  /** Texts (UTF-8) of which at least one stands in every file of words that `examine` finds something in. */
  readonly marks: readonly string[]
  /** Whether `examine` looks for marks in a file: then whoever reads it may look as well. */
  isWords?(file: FoundThing): boolean
  readonly warnings: ManifestMeta['warnings']
}

/** Something that a walk found and `classify` did not leave out. */
export interface FoundThing {
  readonly place: PlacedPath
  readonly placement: Placement
  readonly kind: 'file' | 'directory' | 'link'
  /** Of a file. */
  readonly size: number
}

export interface Separated<F> {
  readonly databases: readonly DatabaseSource[]
  /** In the order in which they were found. */
  readonly others: readonly F[]
  readonly warnings: ManifestMeta['warnings']
}

/**
 * Contents for `examine`: capture hands over what it captured, not what lies on the disk a moment later. What was found
 * before in a content of the same hash is not asked for again.
 */
export interface Captured {
  readonly survey: Survey
  /**
   * Those that are captured, each as soon as it has been read, always in one order; `name` is `root:path`, and the hash
   * names the content in the manifest. It ends when everything has been read, and is there once.
   */
  readonly databases: AsyncIterable<CapturedDatabase>
  /**
   * Absolute path of a database with exactly that content: a copy, or the original itself while nobody writes to it.
   * It is opened as immutable, so nothing is made beside it; whether an original changed meanwhile is looked at, and
   * then this is called again. Undefined when there is none any more.
   */
  openDatabase(place: PlacedPath): Promise<string | undefined>
  /** Files and links; to be called when the databases have ended, because until then it is not known what can be read. */
  entries(): readonly CapturedFile[]
  /** The bytes of a captured file; when it is not the same any more, they take the place of what was captured. */
  read(place: PlacedPath): { readonly bytes: Uint8Array; readonly isSame: boolean }
  /** Fingerprints of identities (see protocol/fleet.ts), when this node has the fleet's key; `id` tells keys apart. */
  readonly fleet?: {
    readonly id: string
    print(kind: FingerprintKind | 'secret', value: string): Uint8Array
  }
  /** `Findings.remember` of an earlier capture. What is damaged, foreign or of another version counts as nothing. */
  readonly recall: Uint8Array | undefined
}

export interface CapturedDatabase {
  readonly name: string
  readonly source: DatabaseSource
  readonly sha256: Uint8Array
}

/** A file or link that was captured. */
export interface CapturedFile {
  readonly place: PlacedPath
  readonly kind: 'file' | 'link'
  readonly placement: Placement
  readonly size: number
  /** Of a file: as in the manifest. */
  readonly sha256?: Uint8Array | undefined
  /**
   * False when whoever read the content whole saw none of `survey.marks` in it, so that it need not be read again;
   * not given when nobody looked.
   */
  readonly marked?: boolean | undefined
  /** Of a link. */
  readonly target?: string | undefined
}

export interface Findings {
  readonly mentions: readonly Mention[]
  readonly holdings: readonly Holding[]
  readonly config: unknown
  readonly inventory: Inventory | null
  readonly views?: Views
  readonly ties?: readonly Tie[]
  /** Sorted, each once; absent without the fleet's key. */
  readonly prints?: readonly IdentityPrint[]
  readonly unknowns?: ManifestMeta['unknowns']
  readonly blind?: Blind
  readonly plugins?: NonNullable<ManifestMeta['plugins']>
  readonly warnings: ManifestMeta['warnings']
  /**
   * What was found in which content, for the next capture; holds names and paths, so it is kept for the account alone.
   * The very same object as `recall` when there is nothing new to remember.
   */
  readonly remember: Uint8Array
}

/** A tree that was written beside the live state and is to become it. */
export interface Staged {
  /** The layout the snapshot was captured with, and the one it is to have here. */
  readonly from: Layout
  readonly to: Layout
  /** Where a path of the new layout lies while it is staged. */
  at(absolute: string): string
  /** Absolute paths (of the new layout) of all staged files, links and databases. */
  readonly files: readonly {
    readonly absolute: string
    readonly kind: 'file' | 'link' | 'database'
    readonly section: Section
  }[]
  readonly rules: readonly RewriteRule[]
  readonly choices: Choices
  /** The port the gateway is to listen on. */
  readonly port: number
}

export interface Rewritten {
  /** Counts by what was changed, for the job's sealed log. */
  readonly changed: Readonly<Record<string, number>>
}

/** A whole tree that nobody lives in. Its names have been rewritten: it is at home where it lies. */
export interface TrialTree {
  /** Everything of it, and everything that a start makes, is below this directory. */
  readonly directory: string
  readonly layout: Layout
  /** What it is a copy of is to have. */
  readonly from: Layout
  /** It is not to be started without a network of its own: whoever approved it was told so. */
  readonly isPromised?: true
}

export interface Tried {
  readonly ready: boolean
  /** Whether it had a network of its own, with no way out. */
  readonly isolated: boolean
  /** What OpenClaw lists there; null when it did not become ready. */
  readonly inventory: Inventory | null
  /** Ids of the user's cron jobs, as the running gateway itself answered; null when it did not. */
  readonly cronAsked: readonly string[] | null
  /** Ids of plugins whose files are neither in the tree nor where the swap carries them over from. */
  readonly pluginsMissing: readonly string[]
  /** The end of what it printed when it did not become ready. */
  readonly words: string
}

/** Chosen parts that were staged, to be put among what is live. */
export interface GraftRequest {
  /** What is carried whole, where it is going to live; and the files that parts are taken from. All of it rewritten. */
  readonly staged: Staged
  readonly graft: Graft
  /** What the snapshot lists. */
  readonly theirs: Inventory | null
  /** A directory of its own on the filesystem of the state directory, for the account alone. */
  readonly into: string
}

export interface Grafted {
  /** Files that get a new content: where each lives, with links resolved by whoever puts it there, and the new one. */
  readonly files: readonly { readonly absolute: string; readonly fresh: string }[]
  /** What is to be listed afterwards, and maybe more. */
  readonly inventory: Inventory
  readonly changed: Readonly<Record<string, number>>
}

/** What it takes to put parts into an installation that keeps the rest of its own. */
export interface Grafting {
  /** Once, after `rewrite`: parts that are called something else here are told so. */
  rename(request: GraftRequest): Promise<void>
  /**
   * Puts the parts among what is live now, in copies of the files that everything shares; nothing live is changed.
   * @throws OcmError 'config-not-editable', 'graft-config-unreadable', 'openclaw-unhealthy'
   */
  merge(request: GraftRequest): Promise<Grafted>
  /**
   * Asks this machine's OpenClaw whether it would take what is live with these files in it.
   * @throws OcmError 'openclaw-older', 'openclaw-unhealthy'
   */
  validate(request: GraftRequest, grafted: Grafted): Promise<void>
}

/** How the gateway of this installation is run. One port, three ways behind it: user unit, system unit, bare process. */
export interface Gateway {
  readonly kind: TargetFacts['gateway']['kind']
  /** It has a unit from its first start on; `mask` takes that away. */
  readonly isNew?: true
  isRunning(): Promise<boolean>
  /**
   * Stops it and waits until pid, port and lock are gone; up to 330 s.
   * @throws OcmError 'gateway-will-not-stop'
   */
  stop(): Promise<void>
  /** Why it could not be stopped and kept from starting by this agent; undefined when it can be. Changes nothing. */
  obstacle?(): Promise<Extract<Obstacle, `gateway-${string}`> | undefined>
  /** Makes a start by the service manager impossible, also after a reboot; and undoes it. */
  mask(): Promise<void>
  unmask(): Promise<void>
  /**
   * Starts it for `layout` the way it ran before (a bare process with the same executable and arguments, but the port).
   * @param how 'as-before': what ran before runs again, on the port that it had, whatever the configuration says of it.
   */
  start(layout: Layout, how?: 'as-before'): Promise<void>
  /** @returns false when it did not answer ready within `timeoutMs`. */
  waitReady(layout: Layout, timeoutMs: number): Promise<boolean>
  /** The end of what it printed since it was started here, to tell operators why it is not ready; '' when not known. */
  lastWords(): Promise<string>
  /** Everything needed to run it again the same way after our own process restarted; JSON. */
  remember(): Promise<unknown>
}

export interface Installation {
  /** Works without a valid configuration, and without any state (a fresh target). */
  layout(): Promise<Layout>
  survey(): Promise<Survey>
  /** The same with and without `recall`; gives way to other work in between. */
  examine(captured: Captured): Promise<Findings>
  /**
   * @param of.ports to be tried, beside those that the kernel lists
   * @param of.wish what a plan asks of its target
   */
  facts(of: { readonly ports: readonly number[]; readonly wish?: TargetWish }): Promise<TargetFacts>
  /** What OpenClaw lists, read from the live state; null when there is none. */
  inventory(layout: Layout): Promise<Inventory | null>
  /** Names under the state directory that are made anew and are carried over from the old tree when a new one is swapped in. */
  readonly regenerable: readonly string[]
  /**
   * Paths below the state directory `live` of what is made anew inside of what is captured, and that `fresh`, which takes
   * its place, has the same use for: carried over too. None when not given.
   */
  regenerableInside?(live: string, fresh: string): Promise<readonly string[]>
  /** Changes a staged tree in place: paths, port, identities, rows that do not travel. */
  rewrite(staged: Staged): Promise<Rewritten>
  /**
   * Asks this machine's OpenClaw whether it would take the staged tree.
   * @returns what it could not be asked about, in words, for the job's sealed log
   * @throws OcmError 'openclaw-older', 'openclaw-unhealthy'
   */
  validate(staged: Staged): Promise<readonly string[]>
  /**
   * Starts this machine's OpenClaw on a throw-away tree, mute, and ends it again; nothing of it runs afterwards.
   * @throws OcmError 'openclaw-missing'; 'job-cancelled' when `signal` says so
   */
  tryTree(tree: TrialTree, timeoutMs: number, signal: AbortSignal): Promise<Tried>
  /** A port for a trial that nothing has and nothing live is to have. */
  portForTrial(live: readonly number[]): Promise<number>
  /**
   * Ends whatever a trial in that directory has left running, also one that was begun by a process before this one, and
   * removes what it made outside of it.
   */
  endTrial(directory: string): Promise<void>
  /** Absent where nothing can be grafted. */
  readonly grafting?: Grafting
  /** @param remembered what `Gateway.remember` gave before, to run it again after a restart of the agent. */
  gateway(remembered?: unknown): Promise<Gateway>
}
