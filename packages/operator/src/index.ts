/** What an operator's own machine does, for the dashboard and for the `ocm` command. Runs in a browser. */
export { ApiClient, type ApiOptions, type Live } from './api/client.ts'
export type { Socket } from './api/live.ts'
export {
  type Comparison,
  type ConfigChange,
  countOf,
  type EntryChange,
  type ListChange,
} from './compare/changes.ts'
export { compareManifests } from './compare/compare.ts'
export { compareSnapshots, type TextDiff, textDiff } from './compare/contents.ts'
export { type ComparedSide, sideOfNode, sideOfSnapshot } from './compare/sides.ts'
export { unifiedDiff } from './compare/text.ts'
export { type DescribedNode, describeNode } from './snapshots/describe.ts'
export { newestSnapshot, type OpenedSnapshot, openSnapshot } from './snapshots/open.ts'
export { type Adopted, adopt } from './ssh/adopt.ts'
export { type EnrolledOverSsh, enrolOverSsh, type SshNodeWish } from './ssh/enrol.ts'
export { forget } from './ssh/forget.ts'
export { connectedOrThrow, endQuietly, lasts, lookAt } from './ssh/lease.ts'
export { createLender, type Lender } from './ssh/lender.ts'
export { credentialOf, type Typed, wipe } from './ssh/lent.ts'
export { kindOfKey, type KeyKind } from './ssh/private-key.ts'
export {
  connectionIn,
  credentialIn,
  delegate,
  endDelegation,
  keepConnection,
  keepCredential,
  openConnection,
} from './ssh/stored.ts'
export { type Memory, storageMemory, type TextStore, volatileMemory } from './vault/memory.ts'
export { type Confirmation, confirmByFingerprint, confirmNodes, retireNode } from './vault/nodes.ts'
export { checkPassphrase, proposePassphrase } from './vault/passphrase.ts'
export { type EpochPlan, type NewEpoch, beginEpoch, planEpoch } from './vault/epoch.ts'
export type { RecoveryKit } from './vault/kit.ts'
export { recoverVault } from './vault/recover.ts'
export { changePassphrase } from './vault/rewrap.ts'
export { type PreparedSetup, prepareSetup, type SetupWish } from './vault/setup.ts'
export { installLine } from './install-line.ts'
export { type IssuedTicket, issueTicket, type TicketWish } from './vault/ticket.ts'
export type { Ports } from './ports.ts'
export { openVault, type Unlocked } from './vault/unlock.ts'
export {
  doneOrThrow,
  followJob,
  type FollowOptions,
  type LogLine,
  readJobLog,
} from './work/follow.ts'
export {
  backUp,
  carryOut,
  type Hooks,
  type Outcome,
  prepareIn,
  type Stage,
  type Wish,
} from './work/operation.ts'
export { type SignedOrder, signOrder, startOrder } from './work/order.ts'
export {
  findHeld,
  findUndoable,
  nodesOfUndo,
  type Held,
  signTargetOff,
  signUndo,
  type Undoable,
} from './work/undo.ts'
export {
  blockersOf,
  describeTarget,
  makePlan,
  type Prepared,
  refuseBlocked,
  warningsOf,
} from './work/plan.ts'
