/** What the build wrote into this program. One that was built without a release key, or runs from source, takes no updates. */
import { fromBase64url } from '@ocm/protocol'

declare const OCM_RELEASE_KEY: string | undefined
declare const OCM_RELEASE_SERIAL: string | undefined

/** Ed25519. */
export const RELEASE_KEY =
  typeof OCM_RELEASE_KEY === 'string' ? fromBase64url(OCM_RELEASE_KEY) : undefined
/** Baked as a word with its name before it, that whoever signs the program finds in it. */
export const RELEASE_SERIAL =
  typeof OCM_RELEASE_SERIAL === 'string' ? Number(/\d+/.exec(OCM_RELEASE_SERIAL)?.[0] ?? 0) : 0
