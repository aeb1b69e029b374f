/** Login passwords as PHC strings of argon2id. Names a cost that is the same whether or not the account exists. */
import { equal, OcmError, type Primitives, utf8 } from '@ocm/protocol'

const PREFIX = '$argon2id$v=19$m=65536,t=3,p=1$'
/** Each hashing takes 64 MiB for half a second. */
const AT_ONCE = 2
const IN_LINE = 16

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '')

export interface Passwords {
  hash(password: string): Promise<string>
  /** With no PHC string it hashes all the same and answers false. */
  verify(password: string, phc: string | undefined): Promise<boolean>
}

export function createPasswords(p: Primitives): Passwords {
  let running = 0
  const waiting: (() => void)[] = []

  async function derive(password: string, salt: Uint8Array): Promise<Uint8Array> {
    if (running >= AT_ONCE) {
      if (waiting.length >= IN_LINE) throw new OcmError('too-many-requests')
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else {
      running++
    }
    try {
      return await p.argon2id(utf8(password.normalize('NFKC')), salt)
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }

  const nobody = `${PREFIX}${base64(p.random(16))}$${base64(p.random(32))}`

  return {
    async hash(password) {
      const salt = p.random(16)
      return `${PREFIX}${base64(salt)}$${base64(await derive(password, salt))}`
    },
    async verify(password, phc = nobody) {
      if (!phc.startsWith(PREFIX)) throw new OcmError('internal', { what: 'password-hash' })
      const [salt = '', hash = ''] = phc.slice(PREFIX.length).split('$')
      const derived = await derive(password, Buffer.from(salt, 'base64'))
      return equal(derived, Buffer.from(hash, 'base64')) && phc !== nobody
    },
  }
}
