/**
 * The installation that an unpacked archive is of. On this disk it lies below a directory, at its own paths; its
 * snapshot says where it lay on its node, so that a clone rewrites those paths and not ours.
 */
import {
  type ArchiveOrigin,
  type Layout,
  OcmError,
  isWithin,
  marksOf,
  rulesBetween,
} from '@ocm/protocol'
import type { Installation } from '../installation.port.ts'
import type { Where } from './discovery.ts'
import { examine } from './examine.ts'
import { type Located, locate } from './layout.ts'
import { rewriteStaged } from './rewriting.ts'
import { surveyOf } from './survey.ts'

export interface UnpackedOptions {
  /** Without links that lead out of it: what is found here is looked at with them followed. */
  readonly below: string
  readonly origin: ArchiveOrigin
  /** Absolute paths on the node of what is not there. */
  readonly leftOut: readonly string[]
  readonly agentStateDir: string
  readonly agentVersion: string
}

export function createUnpacked(options: UnpackedOptions): Installation {
  const { below, origin, agentStateDir: agentState } = options
  const { home = '', state = '' } = origin.layout.roots
  const there: Where = { home, state, config: origin.configPath, profile: '', env: {}, agentState }
  const here: Where = {
    ...there,
    home: below + home,
    state: below + state,
    config: below + origin.configPath,
    below,
  }
  const located = (): Located => locate(here, undefined, options.agentVersion)
  const layoutOf = ({ layout }: Located): Layout => original(layout, options)
  return {
    layout: async () => layoutOf(located()),
    survey: async () => {
      const found = located()
      const layout = layoutOf(found)
      const survey = surveyOf(found)
      return {
        ...survey,
        trees: survey.trees.filter(({ absolute }) => isWithin(below, absolute)),
        origin: layout,
        marks: marksOf(rulesBetween(layout, layout)),
        warnings: [
          ...survey.warnings.map((one) => ({
            ...one,
            detail: one.detail.replaceAll(below, ''),
          })),
          ...options.leftOut.map((detail) => ({ code: 'link-left-out', detail })),
        ],
      }
    },
    examine: (captured) => {
      const { origin: layout = captured.survey.layout } = captured.survey
      return examine({ ...captured, survey: { ...captured.survey, layout } }, there, null)
    },
    facts: async () => ({
      layout: layoutOf(located()),
      occupied: true,
      freeBytes: {},
      gateway: { kind: 'none', running: false },
      portsInUse: [],
      fenced: false,
      readOnlyConfig: true,
    }),
    inventory: async () => null,
    regenerable: [],
    rewrite: rewriteStaged,
    // Nothing is ever applied to it.
    validate: nowhere,
    tryTree: nowhere,
    portForTrial: nowhere,
    endTrial: nowhere,
    gateway: nowhere,
  }
}

const nowhere = (): Promise<never> => Promise.reject(new OcmError('source-fenced'))

function original(layout: Layout, { below, origin }: UnpackedOptions): Layout {
  const roots = Object.entries(layout.roots).flatMap(([root, absolute]) =>
    isWithin(below, absolute) ? [[root, absolute.slice(below.length)] as const] : [],
  )
  return {
    ...origin.layout,
    roots: Object.fromEntries(roots),
    port: layout.port,
    versions: { ...layout.versions, ...said(origin.layout.versions) },
  }
}

const said = ({ openclaw, node }: Layout['versions']) => ({ openclaw, node })
