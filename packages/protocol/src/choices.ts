/** What an operator decides about a plan. The order carries it, and both sides derive the same plan from it. */
import { type Static, Type } from 'typebox'
import { Selection } from './selection.ts'
import { Strict } from './shapes.ts'

export const Choices = Strict({
  kind: Type.Enum(['restore', 'move', 'clone']),
  /** Where a root goes on the target, as an absolute path, where the proposal is not wanted. */
  roots: Type.Record(Type.String(), Type.String()),
  /** The gateway's port on the target; null: what the plan proposes. */
  port: Type.Union([Type.Integer({ minimum: 1, maximum: 65_535 }), Type.Null()]),
  /** Whether cron jobs of a clone start enabled. Always 'keep' for restore and move unless chosen. */
  cron: Type.Enum(['keep', 'disabled']),
  gatewayToken: Type.Enum(['keep', 'new']),
  /**
   * Whether a clone of everything gets API keys and tokens of providers, wherever they stand. Absent: it does. Chosen
   * parts bring their own.
   */
  apiKeys: Type.Optional(Type.Enum(['keep', 'leave'])),
  /** Rewrite paths in prose too. */
  prose: Type.Boolean(),
  /** Go on although the target's OpenClaw is newer and will upgrade the data one way. */
  allowUpgrade: Type.Boolean(),
  /** Go on without files whose stored bytes are damaged or missing; which, stands in the job's log. */
  partial: Type.Optional(Type.Literal(true)),
  /** These parts alone, put into a target that keeps its own; absent: everything, in the place of what is there. */
  only: Type.Optional(Selection),
  /** Go without the muted trial of a move or a clone; absent: a copy is tried on the target first. */
  trial: Type.Optional(Type.Literal(false)),
})
export type Choices = Static<typeof Choices>

/** Two nodes with one key share its limits and its bill, and whoever takes one of them over has it: only when it is chosen. */
export const leavesApiKeys = ({ kind, apiKeys, only }: Choices): boolean =>
  kind === 'clone' && apiKeys === 'leave' && only === undefined

export const defaultChoices = (kind: Choices['kind']): Choices => ({
  kind,
  roots: {},
  port: null,
  cron: kind === 'clone' ? 'disabled' : 'keep',
  gatewayToken: kind === 'clone' ? 'new' : 'keep',
  ...(kind === 'clone' ? { apiKeys: 'leave' as const } : {}),
  prose: false,
  allowUpgrade: false,
})
