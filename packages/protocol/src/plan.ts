/**
 * What applying a snapshot to a node would do, as a value. Pure: the operator's side makes it to be reviewed, the
 * target derives it again from the same snapshot, layout and choices and refuses an order whose hash differs.
 */
import type { Choices } from './choices.ts'
import type { Section } from './manifest.ts'

/** Replace `was` by `becomes` where it stands as a whole path or a prefix of one. */
export interface RewriteRule {
  readonly root: string
  readonly was: string
  readonly becomes: string
}

/** One place that changes, shown before and after. */
export interface PlanEdit {
  readonly where: string
  readonly section: Section
  readonly class: 'structured' | 'unknown' | 'prose'
  readonly before: string
  readonly after: string
  /** False for prose that was not chosen: it is shown and left as it is. */
  readonly done: boolean
}

/** What stays as it is, and may not hold on the target. */
export interface PlanReport {
  readonly where: string
  readonly section: Section
  /** What is named there; of a place, where it would be on the target. */
  readonly text: string
  readonly why:
    | 'path-missing'
    /** Neither here nor there: it did not work before. */
    | 'path-nowhere'
    /** The target was not asked. */
    | 'path-unchecked'
    | 'command-missing'
    | 'port-in-use'
    /** An address of the machine itself, where something answers on the target, and where nothing does. */
    | 'localhost'
    | 'localhost-silent'
    | 'host'
    | 'plugin-missing'
    /** What a package manager has put beside a plugin: neither in the snapshot nor carried over on the target. */
    | 'dependencies-left'
    | 'field-unknown'
    | 'text-unscanned'
    | 'table-unknown'
    | 'schema-unknown'
}

/** What becomes of a whole kind of thing. */
export interface PlanItem {
  readonly what: string
  readonly section: Section
  readonly count: number
  readonly bytes: number
  readonly fate: 'kept' | 'rewritten' | 'left-behind' | 'made-new' | 'disabled'
  readonly why: string
}

export interface Finding {
  readonly code: string
  /** 'blocker' forbids the order; 'warning' is shown; 'notice' is for the curious. */
  readonly weight: 'blocker' | 'warning' | 'notice'
  readonly facts: Readonly<Record<string, string | number>>
}

export interface Renamed {
  readonly from: string
  readonly to: string
}

/** A directory, or a file by itself, that goes along whole. */
export interface Carried {
  readonly root: string
  /** Below the root; '' is the root itself. */
  readonly path: string
  /** Absolute, on the source and on the target. */
  readonly was: string
  readonly to: string
}

/** The parts that are put into a target which keeps everything else of its own. */
export interface Graft {
  /** By id; another one on the target where theirs is taken. */
  readonly personas: readonly Renamed[]
  readonly cron: readonly Renamed[]
  /** JSON pointers into the configuration, of the source and of the target alike. */
  readonly config: readonly string[]
  readonly sections: readonly Section[]
  /** Outermost first. */
  readonly carried: readonly Carried[]
  /** Files as `root:path` out of which parts are taken. */
  readonly shared: readonly string[]
}

export interface Plan {
  readonly kind: Choices['kind']
  readonly choices: Choices
  /** Every root of the source and where it goes. */
  readonly roots: readonly {
    readonly root: string
    readonly from: string
    readonly to: string
  }[]
  readonly rules: readonly RewriteRule[]
  readonly port: { readonly from: number; readonly to: number }
  /** Only where parts were chosen. */
  readonly graft?: Graft
  readonly items: readonly PlanItem[]
  readonly edits: readonly PlanEdit[]
  readonly reports: readonly PlanReport[]
  readonly findings: readonly Finding[]
  /** Plaintext bytes to be written on the target. */
  readonly bytes: number
  /** Over rules, choices, port, graft and the codes of the findings; not over contents, so that a last delta fits. */
  readonly hash: string
}
