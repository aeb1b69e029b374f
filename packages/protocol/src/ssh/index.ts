export * from './address.ts'
export * from './arguments.ts'
export * from './connection.ts'
export * from './host-key.ts'
export * from './leases.ts'
export { MarkerReader, type Stage0Said } from './marker.ts'
export { LEAST_NODE } from './probe.ts'
export { type SshEnd, sshProblem, stage0Problem } from './problems.ts'
export {
  LEAN_ENV,
  LEAN_FLAGS,
  MARKER,
  type StdioPreface,
  nonceOf,
  prefaceOf,
  readPreface,
  remoteCommand,
  sudoPrompt,
  writePreface,
} from './stage0.ts'
