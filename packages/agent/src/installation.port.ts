/**
 * What capture and apply need of the OpenClaw installation they work on. Implemented in `openclaw/`, the only folder
 * that spells OpenClaw's own names. Paths are absolute strings in the byte-preserving form of protocol's layout.ts.
 */
import type {
  Choices,
  Holding,
  Inventory,
  Layout,
  ManifestMeta,
  Mention,
  Omission,
  PackClass,
  PlacedPath,
  RewriteRule,
  Section,
  TargetFacts,
  Travel,
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
  /** What to walk, outermost first; a root that lies inside another is walked with it and placed by its own name. */
  readonly trees: readonly {
    readonly root: string
    readonly absolute: string
    readonly kind: 'directory' | 'file'
  }[]
  readonly databases: readonly DatabaseSource[]
  /** Called for everything found while walking; an omitted directory is not entered. Databases and their side files are omitted here. */
  classify(
    place: PlacedPath,
    kind: 'file' | 'directory' | 'link',
  ): Placement | { readonly omit: Omission['why'] } | { readonly skip: true }
  readonly warnings: ManifestMeta['warnings']
}

/** Contents for `examine`: capture hands over what it captured, not what lies on the disk a moment later. */
export interface Captured {
  readonly survey: Survey
  /** Absolute path of the consistent copy of each database of the survey, by `root:path`. */
  readonly databaseCopies: ReadonlyMap<string, string>
  /** Files and links that were captured. */
  readonly entries: readonly {
    readonly place: PlacedPath
    readonly kind: 'file' | 'link'
    readonly placement: Placement
    readonly size: number
    /** Of a link. */
    readonly target?: string
  }[]
  /** The bytes of a captured file. */
  read(place: PlacedPath): Uint8Array
}

export interface Findings {
  readonly mentions: readonly Mention[]
  readonly holdings: readonly Holding[]
  readonly config: unknown
  readonly inventory: Inventory | null
  readonly warnings: ManifestMeta['warnings']
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

/** How the gateway of this installation is run. One port, three ways behind it: user unit, system unit, bare process. */
export interface Gateway {
  readonly kind: TargetFacts['gateway']['kind']
  isRunning(): Promise<boolean>
  /**
   * Stops it and waits until pid, port and lock are gone; up to 330 s.
   * @throws OcmError 'gateway-will-not-stop'
   */
  stop(): Promise<void>
  /** Makes a start by the service manager impossible, also after a reboot; and undoes it. */
  mask(): Promise<void>
  unmask(): Promise<void>
  /** Starts it for `layout` the way it ran before (a bare process with the same executable and arguments, but the port). */
  start(layout: Layout): Promise<void>
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
  examine(captured: Captured): Findings
  /** @param wish.ports to be tried, beside those that the kernel lists */
  facts(wish: { readonly ports: readonly number[] }): Promise<TargetFacts>
  /** What OpenClaw lists, read from the live state; null when there is none. */
  inventory(layout: Layout): Promise<Inventory | null>
  /** Names under the state directory that are made anew and are carried over from the old tree when a new one is swapped in. */
  readonly regenerable: readonly string[]
  /** Changes a staged tree in place: paths, port, identities, rows that do not travel. */
  rewrite(staged: Staged): Promise<Rewritten>
  /**
   * Asks this machine's OpenClaw whether it would take the staged tree.
   * @throws OcmError 'openclaw-older', 'openclaw-unhealthy'
   */
  validate(staged: Staged): Promise<void>
  /** @param remembered what `Gateway.remember` gave before, to run it again after a restart of the agent. */
  gateway(remembered?: unknown): Promise<Gateway>
}
