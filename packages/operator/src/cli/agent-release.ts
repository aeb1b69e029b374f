/** `ocm agent-release`: what is offered to agents, and how far it has come. */
import { readFile } from 'node:fs/promises'
import { OcmError, type ReleaseState, openRelease } from '@ocm/protocol'
import type { Context } from './context.ts'
import { short, time } from './format.ts'

export interface ReleaseFileOptions {
  readonly withdraw?: true
}

export async function agentRelease(
  { terminal, ports }: Context,
  file: string | undefined,
  { withdraw }: ReleaseFileOptions,
): Promise<void> {
  const { api, p } = ports
  if (withdraw) {
    await api.withdrawRelease()
    return terminal.result({}, 'Nothing is offered to agents any more.')
  }
  if (file === undefined) return show(terminal, await api.agentRelease(), await labels(api))
  const bytes = new Uint8Array(await read(file))
  const { release } = openRelease(p, bytes)
  const says = `Offer ${release.version} (release ${release.serial}) to all agents, one first?`
  if (!(await terminal.approve(says))) throw new OcmError('declined')
  show(terminal, await api.offerRelease(bytes), await labels(api))
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new OcmError('wrong-use', { what: `${file} cannot be read` }, { cause })
  }
}

type Labels = (id: string) => string

const labels = async (api: Context['ports']['api']): Promise<Labels> => {
  const nodes = await api.nodes()
  return (id) => nodes.find((node) => node.id === id)?.label ?? short(id)
}

function show(terminal: Context['terminal'], state: ReleaseState | null, label: Labels): void {
  if (!state) return terminal.result(null, 'Nothing is offered to agents.')
  const { version, serial, offeredAt, done, failed } = state
  const lines = [
    `${version} (release ${serial}), offered ${time(offeredAt)}`,
    `runs on ${done.length === 0 ? 'no node yet' : done.map(label).join(', ')}`,
    ...(failed === null
      ? []
      : [
          `stopped: ${label(failed)} went back to what it was, or did not come back. Offered again it goes on with the others.`,
        ]),
  ]
  terminal.result(state, lines.join('\n'))
}
