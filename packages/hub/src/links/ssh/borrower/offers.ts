/** What was lent, made ready for ssh: a private ssh-agent for each key, and one answer for each password. */
import { type SshAuth, type SshLent, type SshOffer, type SshPlaces, askedFor } from '@ocm/protocol'
import { type Keyring, openKeyring } from './keyring.ts'
import type { Asked } from './questions.ts'
import type { Room } from './room.ts'

export interface Offers {
  readonly node: { readonly offer: SshOffer; readonly places: SshPlaces }
  readonly jump: { readonly offer: SshOffer; readonly places: SshPlaces }
  end(): void
}

/** Nothing at all is offered: ssh stops before it would. */
const NOTHING: SshOffer = 'key'

export async function prepareOffers(
  room: Room,
  { connection, auth, jumpAuth }: SshLent,
  knownHosts: string,
  askpass: string,
  questions: { asked: Asked },
): Promise<Offers> {
  const keyrings: Keyring[] = []
  const end = () => {
    for (const one of keyrings) one.end()
  }
  const prepare = async (name: string, one: SshAuth | undefined) => {
    if (one?.kind !== 'key') {
      const offer: SshOffer = one === undefined ? NOTHING : 'password'
      const places: SshPlaces = { knownHosts }
      return {
        offer,
        places: offer === 'key' ? { ...places, identityAgent: room.at('none') } : places,
      }
    }
    const keyring = await openKeyring(room, `${name}-keys`, one, askpass, questions)
    keyrings.push(keyring)
    const certificate = one.certificate && room.write(`${name}-cert.pub`, one.certificate)
    const offer: SshOffer = 'key'
    return {
      offer,
      places: {
        knownHosts,
        identityAgent: keyring.socket,
        ...(certificate !== undefined && { certificate }),
      },
    }
  }
  try {
    const node = await prepare('node', auth)
    const isSame = jumpAuth === undefined
    const jump = connection.jump && !isSame ? await prepare('jump', jumpAuth) : node
    return { node, jump, end }
  } catch (error) {
    end()
    throw error
  }
}

/** Answers a prompt, once for each host. @param spent called when it has. */
export function answering(
  { auth, jumpAuth = auth }: SshLent,
  spent: () => void,
): (prompt: string) => Uint8Array | undefined {
  const left = new Map([
    ['node', auth],
    ['jump', jumpAuth],
  ])
  return (prompt) => {
    const whose = askedFor(prompt) ?? ''
    const one = left.get(whose)
    left.delete(whose)
    if (one?.kind !== 'password') return undefined
    spent()
    return one.password
  }
}

/** Overwrites every byte of what was lent. */
export function wipe({ auth, jumpAuth, sudoPassword }: SshLent): void {
  for (const one of [auth, jumpAuth]) {
    if (one?.kind === 'password') one.password.fill(0)
    if (one?.kind === 'key') for (const part of [one.key, one.passphrase]) part?.fill(0)
  }
  sudoPassword?.fill(0)
}
