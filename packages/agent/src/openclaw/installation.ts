/** The OpenClaw installation of this node, as capture and apply see it. */
import { existsSync } from 'node:fs'
import type { Installation } from '../installation.port.ts'
import { dependenciesFor, dependencyFacts } from './dependencies.ts'
import { type Env, type Where, discover } from './discovery.ts'
import { examine } from './examine.ts'
import { factsOf } from './facts.ts'
import { detectGateway } from './gateway.ts'
import { checkGraft } from './graft/check.ts'
import { graftInto, renamePersonas } from './graft/graft.ts'
import { holdsOf } from './graft/holds.ts'
import { inventoryOf } from './inventory.ts'
import { stateDatabaseOf } from './implied.ts'
import { type Located, locate } from './layout.ts'
import { liveDatabases } from './live-walk.ts'
import { ownSchema } from './own-schema.ts'
import { rewriteStaged } from './rewriting.ts'
import { REGENERABLE } from './sources.ts'
import { liveSight } from './sight.ts'
import { surveyOf } from './survey.ts'
import { endTrial, portForTrial, tryTree, whereOf } from './trial.ts'
import { validateStaged } from './validate.ts'
import { findBinary } from './versions.ts'

export interface InstallationOptions {
  /** The home directory that OpenClaw is run with. */
  readonly home: string
  readonly stateDir?: string
  readonly configPath?: string
  /** The `openclaw` command; found in PATH and the usual places when not given. */
  readonly openclawBin?: string
  /** Where pins like OPENCLAW_STATE_DIR are looked up; the process's own when not given. */
  readonly env?: Env
  /** The agent's own state directory: never captured, never replaced. */
  readonly agentStateDir: string
  readonly agentVersion?: string
  readonly now: () => number
  /** Told of what goes wrong where nobody waits for it. */
  readonly fault?: (error: unknown) => void
}

export function createInstallation(options: InstallationOptions): Installation {
  const env = options.env ?? process.env
  // Found anew each time: files, configuration and OpenClaw itself change while the agent runs.
  const where = (): Where => discover({ ...options, env })
  const binary = () => findBinary(where(), options.openclawBin)
  const schema = ownSchema(options.agentStateDir, options.fault)
  const at = (place: Where): Located => locate(place, binary(), options.agentVersion ?? '')
  const here = (): Located => at(where())
  const gateway = async (located: Located, remembered?: unknown) =>
    detectGateway(
      {
        home: located.where.home,
        stateDir: located.where.state,
        configPath: located.where.config,
        port: located.layout.port,
        profile: located.where.profile,
        bin: binary()?.path ?? null,
      },
      remembered,
    )
  return {
    layout: async () => here().layout,
    survey: async () => surveyOf(here()),
    examine: (captured) => examine(captured, where(), schema.fieldsOf(binary())),
    facts: async ({ ports, wish }) => {
      const located = here()
      const facts = await factsOf(located, ports, await gateway(located), wish)
      if (!facts.occupied) return facts
      const remade = dependencyFacts(located.where.state)
      return { ...facts, holds: holdsOf(located), ...(remade.length > 0 ? { remade } : {}) }
    },
    inventory: async (layout) => {
      const { home, state } = layout.roots as { home: string; state: string }
      const located = at(discover({ ...options, env, home, stateDir: state }))
      if (!existsSync(located.where.config) && !existsSync(stateDatabaseOf(state))) return null
      return inventoryOf(liveSight(located.layout, liveDatabases(located), located.config))
    },
    regenerable: REGENERABLE,
    regenerableInside: async (live, fresh) => dependenciesFor(live, fresh),
    rewrite: rewriteStaged,
    validate: async (staged) => validateStaged(staged, binary()?.path ?? null),
    tryTree: async (tree, timeoutMs, signal) => {
      const there = whereOf(tree, where(), options.agentStateDir)
      const inventory = () => {
        const located = at(there)
        return inventoryOf(liveSight(located.layout, liveDatabases(located), located.config))
      }
      const { home, state: stateDir } = where()
      const site = { home, stateDir, bin: binary()?.path ?? null }
      return tryTree(site, tree, there, inventory, timeoutMs, signal)
    },
    portForTrial,
    endTrial,
    grafting: {
      rename: async (request) => renamePersonas(request),
      merge: async (request) => {
        const located = here()
        const sight = liveSight(located.layout, liveDatabases(located), located.config)
        return graftInto(request, located, inventoryOf(sight))
      },
      validate: async (request, grafted) =>
        checkGraft(request, grafted, here(), binary()?.path ?? null),
    },
    gateway: async (remembered) => gateway(here(), remembered),
  }
}
