/** What this node tells operators about itself before a plan, with a new nonce and a new job key for the order. */
import { type Description, type VaultRecord, makeStatement, sealFacts } from '@ocm/protocol'
import type { Offer } from './apply.ts'
import type { Work } from './work.ts'

export async function describe(
  { p, identity, installation }: Work,
  record: VaultRecord,
): Promise<{ readonly statement: Uint8Array; readonly offer: Offer }> {
  const offer = { nonce: p.random(32), jobKey: p.x25519Pair() }
  const about = { node: identity.id, nonce: offer.nonce, jobKey: offer.jobKey.public }
  const facts = sealFacts(p, record.sealing, about, await installation.facts({ ports: [] }))
  const description: Description = { v: 1, ...about, facts }
  return { statement: makeStatement(p, 'description', description, identity.key), offer }
}
