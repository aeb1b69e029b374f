/** Judges an agent that has proved to hold a key: who it is, whether it may come in, whether there are two of it. */
import { base64url, judgeSequence, LINK_VERSION, OcmError, type Welcome } from '@ocm/protocol'
import { enrol, type EnrolNeeds } from './enrol.ts'
import type { Accept, Node } from './ports.ts'

export interface AcceptNeeds extends EnrolNeeds {
  readonly heartbeatMs: number
  /** The node shows an old number: somebody else goes on with its identity. */
  readonly cloned: (node: Node) => Promise<void>
  /** This catalog does not know to have given a number: it was set back. */
  readonly behind: (node: Node) => void
}

export function createAccept(needs: AcceptNeeds): Accept {
  const { catalog, vault, now } = needs

  return async (key, hello): Promise<Welcome> => {
    const version = Math.min(hello.max, LINK_VERSION.max)
    if (version < Math.max(hello.min, LINK_VERSION.min)) {
      throw new OcmError('version-unsupported', { what: 'agent' })
    }
    const node =
      hello.enrol === null
        ? await catalog.nodeByKey(key)
        : await enrol(needs, key, { ...hello, enrol: hello.enrol })
    if (!node) throw new OcmError('node-unknown')
    if (node.state === 'revoked') throw new OcmError('node-revoked')
    if (node.state === 'quarantined') throw new OcmError('node-cloned')

    // An agent that joins has nothing on disk yet, also when the answer to its first try was lost.
    const shown = hello.enrol === null || hello.seq > 0 ? hello.seq : node.sequence.stored
    const verdict = judgeSequence(node.sequence, shown)
    if (verdict.kind === 'cloned') {
      await needs.cloned(node)
      throw new OcmError('node-cloned')
    }
    if (verdict.behind) needs.behind(node)
    await catalog.saw(node.id, {
      sequence: verdict.keep,
      boot: hello.boot,
      agentVersion: hello.agentVersion,
      at: now(),
    })
    return {
      node: node.id,
      version,
      seq: verdict.keep.pending,
      heartbeatMs: needs.heartbeatMs,
      record: base64url(vault.needed().statement),
    }
  }
}
