export type * from './calls.ts'
export type * from './carrier.ts'
export type * from './clock.ts'
export * from './session.ts'
