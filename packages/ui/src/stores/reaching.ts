/** How one node is reached: shown to whoever opens the vault, and changed. */
import {
  type Typed,
  connectionIn,
  credentialIn,
  credentialOf,
  delegate,
  endDelegation,
  keepConnection,
  keepCredential,
  lookAt,
  wipe,
} from '@ocm/operator'
import {
  type NodeState,
  OcmError,
  type SshConnection,
  type SshCredential,
  type SshNode,
  hostKeyFingerprint,
} from '@ocm/protocol'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { usePorts } from '../api/client.ts'
import { type Where, connectionFrom } from '../where.ts'
import { useTask } from './task.ts'
import { useVault } from './vault.ts'

export type ReachingStep = 'closed' | 'shown' | 'where' | 'host' | 'keep' | 'delegate'

export function useReaching(node: NodeState) {
  const ports = usePorts()
  const vault = useVault()
  const task = useTask()
  const step = ref<ReachingStep>('closed')
  const stored = shallowRef<SshNode>()
  const connection = shallowRef<SshConnection>()
  const wanted = shallowRef<SshConnection>()
  onScopeDispose(vault.close)

  const shownKeys = (keys: readonly string[]) =>
    keys.map((key) => ({
      kind: key.split(' ')[0] ?? '',
      fingerprint: hostKeyFingerprint(ports.p, key),
    }))
  const keys = computed(() => shownKeys(connection.value?.hostKeys ?? []))
  const fresh = computed(() => shownKeys(wanted.value?.hostKeys ?? []))

  const open = (passphrase: string) =>
    vault.openFor(passphrase, async (opened) => {
      stored.value = await ports.api.sshOf(node.id)
      connection.value = await connectionIn(ports, opened, node.id, stored.value)
      step.value = connection.value === undefined ? 'where' : 'shown'
    })

  function unlocked() {
    const { value } = vault.unlocked
    // It was open for too long.
    if (value === undefined) throw new OcmError('ssh-lease-ended')
    return value
  }

  /** @param typed where it is from now on; without it, the same host is looked at anew. */
  const look = (typed?: Where) =>
    task.run(async () => {
      const known = connection.value
      const next = typed === undefined ? known : connectionFrom(typed, known)
      if (next === undefined) return
      // What is behind another host is looked at with `ocm nodes ssh`, which asks for what that takes.
      if (next.jump !== undefined) throw new OcmError('ssh-by-command')
      const bare = { ...next, hostKeys: [] }
      wanted.value = { ...bare, hostKeys: [...(await lookAt(ports, bare))] }
      step.value = 'host'
    })

  const approve = () =>
    task.run(async () => {
      if (wanted.value === undefined) return
      stored.value = await keepConnection(ports, unlocked(), node.id, wanted.value)
      connection.value = wanted.value
      step.value = 'shown'
    })

  const keep = (typed: Typed) =>
    task.run(() =>
      withCredential(typed, (given) => keepCredential(ports, unlocked(), node.id, given)),
    )
  const drop = () =>
    task.run(async () => {
      stored.value = await keepCredential(ports, unlocked(), node.id, null)
    })

  /** Whether a credential is stored already, which is then what is delegated. */
  const delegateStored = () =>
    task.run(async () => {
      const given = stored.value && (await credentialIn(ports, unlocked(), node.id, stored.value))
      if (given === undefined) return
      await handOver(given, () => delegate(ports, unlocked(), node.id, given))
    })
  const delegateTyped = (typed: Typed) =>
    task.run(() => withCredential(typed, (given) => delegate(ports, unlocked(), node.id, given)))
  const undelegate = () =>
    task.run(async () => {
      stored.value = await endDelegation(ports, node.id)
    })

  const withCredential = (typed: Typed, work: (given: SshCredential) => Promise<SshNode>) => {
    const given = credentialOf(typed)
    return handOver(given, () => work(given))
  }
  async function handOver(given: SshCredential, work: () => Promise<SshNode>): Promise<void> {
    try {
      stored.value = await work()
      step.value = 'shown'
    } finally {
      wipe(given)
    }
  }

  return {
    vault,
    task,
    step,
    stored,
    connection,
    wanted,
    keys,
    fresh,
    open,
    look,
    approve,
    keep,
    drop,
    delegateStored,
    delegateTyped,
    undelegate,
  }
}
