/** Joining a hub with an operator's join string: a key is made, the ticket signs it, the hub and the vault are pinned. */
import { randomBytes } from 'node:crypto'
import {
  type Clock,
  OcmError,
  type Primitives,
  type Welcome,
  base64url,
  fingerprint,
  fromBase64url,
  LINK_VERSION,
  makeEnrolment,
  readJoinString,
  readVaultRecord,
  VERSION,
} from '@ocm/protocol'
import { Enrolment, readEnrolment } from './enrolment.ts'
import type { Installation } from './installation.port.ts'
import { dial } from './link/websocket.ts'
import { keepFleetKey } from './store/fleet-key.ts'
import { createIdentity, readIdentity } from './store/identity.ts'

export interface JoinParts {
  readonly p: Primitives
  readonly clock: Clock
  readonly stateDir: string
  readonly installation: Installation
  readonly fault: (error: unknown) => void
}

/** What people compare with the dashboard and with the printed recovery kit. */
export interface Fingerprints {
  readonly node: string
  readonly hub: string
  readonly vault: string
}

/**
 * Everything up to the first word to the hub.
 * @throws OcmError 'ticket-altered', 'already-enrolled', 'openclaw-missing'
 */
export async function prepareJoin(
  { p, stateDir, installation }: Pick<JoinParts, 'p' | 'stateDir' | 'installation'>,
  text: string,
) {
  const join = readJoinString(p, text)
  if (await readEnrolment(stateDir)) throw new OcmError('already-enrolled')
  if ((await installation.layout()).versions.openclaw === '') throw new OcmError('openclaw-missing')

  // A join whose answer was lost is tried again with the same key.
  const identity = (await readIdentity(p, stateDir)) ?? (await createIdentity(p, stateDir))
  const { statement } = makeEnrolment(p, join, identity.key.public)
  const certificate = join.certificate === undefined ? {} : { certificate: join.certificate }
  return {
    urls: join.urls,
    ...certificate,
    link: {
      identity: identity.key,
      pinnedHub: join.hub,
      minVersion: () => LINK_VERSION.min,
      hello: async () => ({
        ...LINK_VERSION,
        capabilities: [],
        agentVersion: VERSION,
        boot: randomBytes(16).toString('hex'),
        seq: 0,
        enrol: { ticket: join.ticket, enrolment: base64url(statement) },
      }),
      onWelcome: async (welcome: Welcome): Promise<void> => {
        // A hub that serves another vault than the one in the join string is found out before it is trusted.
        const record = readVaultRecord(p, join.root, fromBase64url(welcome.record), 0)
        if (join.fleet !== undefined) await keepFleetKey(stateDir, join.fleet)
        await Enrolment.create(stateDir, {
          v: 1,
          node: welcome.node,
          urls: join.urls,
          hub: join.hub,
          root: join.root,
          ...certificate,
          seq: welcome.seq,
          version: welcome.version,
          serial: record.serial,
        })
      },
    },
  }
}

/**
 * @throws OcmError what prepareJoin threw, 'hub-unreachable', 'hub-key-changed', 'vault-changed', or what the hub refused
 * it for
 */
export async function joinHub(
  { p, clock, stateDir, installation, fault }: JoinParts,
  text: string,
): Promise<{ readonly node: string; readonly fingerprints: Fingerprints }> {
  const { link, ...where } = await prepareJoin({ p, stateDir, installation }, text)
  const session = await dial({ p, clock, fault, ...where, ...link, onSession: () => undefined })
  session.close('link-lost')
  const { known } = await Enrolment.open(stateDir)
  return {
    node: known.node,
    fingerprints: fingerprintsOf(p, link.identity.public, known),
  }
}

export const fingerprintsOf = (
  p: Primitives,
  node: Uint8Array,
  pinned: { readonly hub: Uint8Array; readonly root: Uint8Array },
): Fingerprints => ({
  node: fingerprint(p, node),
  hub: fingerprint(p, pinned.hub),
  vault: fingerprint(p, pinned.root),
})
