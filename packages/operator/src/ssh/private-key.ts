/** What somebody pasted or named as a private key, before it is sealed and lent: a mistake is told here, not by ssh. */

/** `open` needs no passphrase, `locked` does. */
export type KeyKind = 'open' | 'locked' | 'public' | 'putty' | 'none'

const MAX_LETTERS = 32 * 1024
const BLOCK = /-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----([\s\S]*?)-----END \1-----/
const PUBLIC = /^\s*(ssh-|ecdsa-|sk-|---- BEGIN SSH2 PUBLIC|-----BEGIN (RSA )?PUBLIC)/

export function kindOfKey(text: string): KeyKind {
  if (text.trimStart().startsWith('PuTTY-User-Key-File')) return 'putty'
  const block = text.length > MAX_LETTERS ? null : BLOCK.exec(text)
  if (block === null) return PUBLIC.test(text) ? 'public' : 'none'
  const [, label = '', body = ''] = block
  if (label === 'OPENSSH PRIVATE KEY') return kindOfOpenssh(body)
  return label === 'ENCRYPTED PRIVATE KEY' || body.includes('4,ENCRYPTED') ? 'locked' : 'open'
}

const MAGIC = 'openssh-key-v1\0'

/** OpenSSH's own format: a magic, then the name of a cipher behind its length. */
function kindOfOpenssh(body: string): KeyKind {
  const letters = body.replaceAll(/\s/g, '')
  if (!/^[A-Za-z0-9+/]{64,}={0,2}$/.test(letters)) return 'none'
  const head = atob(letters.slice(0, 64))
  if (!head.startsWith(MAGIC)) return 'none'
  return head.slice(MAGIC.length + 4, MAGIC.length + 8) === 'none' ? 'open' : 'locked'
}
