/** Who a request comes from: an opaque secret of 256 bits, of which only the SHA-256 is kept. */
import { createHash } from 'node:crypto'
import { base64url, newId, OcmError, type Primitives, type TokenIssued } from '@ocm/protocol'
import type { ApiToken, Operator, PeopleCatalog } from './ports.ts'

export const SESSION_IDLE_MS = 30 * 60_000
export const SESSION_WHOLE_MS = 12 * 3_600_000
const TOUCH_MS = 30_000

export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')

export interface Sessions {
  /** Answers the secret for the cookie. */
  begin(operator: string): Promise<string>
  /** Undefined when the session is unknown, was idle for 30 minutes or is 12 hours old. */
  whose(secret: string): Promise<Operator | undefined>
  /** The same, and counts as a sign of life. */
  use(secret: string): Promise<Operator | undefined>
  end(secret: string): Promise<void>
  issueToken(operator: string, label: string): Promise<TokenIssued>
  tokens(operator: string): Promise<ApiToken[]>
  /** @throws OcmError 'not-found' */
  removeToken(operator: string, id: string): Promise<void>
  whoseToken(token: string): Promise<Operator | undefined>
}

export function createSessions(p: Primitives, people: PeopleCatalog, now: () => number): Sessions {
  async function valid(secret: string) {
    const hash = hashOf(secret)
    const session = await people.sessionBy(hash)
    if (!session) return undefined
    const at = now()
    if (at - session.seenAt <= SESSION_IDLE_MS && at - session.createdAt <= SESSION_WHOLE_MS) {
      return session
    }
    await people.endSession(hash)
    return undefined
  }

  return {
    async begin(operator) {
      const at = now()
      await people.dropSessions({ createdAt: at - SESSION_WHOLE_MS, seenAt: at - SESSION_IDLE_MS })
      const secret = base64url(p.random(32))
      await people.addSession({ hash: hashOf(secret), operator, at })
      return secret
    },
    whose: async (secret) => (await valid(secret))?.operator,
    async use(secret) {
      const session = await valid(secret)
      const at = now()
      if (session && at - session.seenAt > TOUCH_MS) await people.touchSession(hashOf(secret), at)
      return session?.operator
    },
    end: (secret) => people.endSession(hashOf(secret)),

    async issueToken(operator, label) {
      const id = newId(p)
      const token = `ocm_${base64url(p.random(32))}`
      await people.addToken({ id, operator, label, hash: hashOf(token), createdAt: now() })
      return { id, token }
    },
    tokens: (operator) => people.tokensOf(operator),
    async removeToken(operator, id) {
      if (!(await people.removeToken(operator, id))) {
        throw new OcmError('not-found', { what: 'token' })
      }
    },
    whoseToken: (token) => people.operatorByToken(hashOf(token), now()),
  }
}
