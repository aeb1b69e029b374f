/** Adding a node over ssh, from its address to its first backup. What was typed is sealed or forgotten, never kept. */
import {
  type Typed,
  confirmNodes,
  credentialOf,
  endQuietly,
  enrolOverSsh,
  lookAt,
  wipe,
} from '@ocm/operator'
import {
  type NodeState,
  type SshConnection,
  type SshCredential,
  type SshLease,
} from '@ocm/protocol'
import { OcmError, hostKeyFingerprint } from '@ocm/protocol'
import { useQueryClient } from '@tanstack/vue-query'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { usePorts } from '../api/client.ts'
import { KEYS } from '../api/queries.ts'
import type { LentMethod } from '../credential.ts'
import { type Where, connectionFrom } from '../where.ts'
import { useTask } from './task.ts'
import { useVault } from './vault.ts'

export type SshStep = 'where' | 'host' | 'credential' | 'open' | 'done'

export function useAddingSsh() {
  const ports = usePorts()
  const queries = useQueryClient()
  const vault = useVault()
  const looking = useTask()

  const step = ref<SshStep>('where')
  const where = shallowRef<Where>()
  const connection = shallowRef<SshConnection>()
  /** Of which host a person is asked whether these are its keys. */
  const shown = shallowRef<{ readonly host: string; readonly keys: readonly string[] }>()
  const lease = shallowRef<SshLease>()
  const node = shallowRef<NodeState>()
  let credential: SshCredential | undefined

  function forget() {
    if (credential !== undefined) wipe(credential)
    credential = undefined
  }
  onScopeDispose(() => {
    forget()
    vault.close()
    const { value } = lease
    if (value === undefined || step.value === 'done') return
    // Whoever leaves does not wait for it; where the hub is away, it ends by itself as well.
    endQuietly(ports.api, value.id).catch(() => undefined)
  })

  const keys = computed(() =>
    (shown.value?.keys ?? []).map((key) => ({
      kind: key.split(' ')[0] ?? '',
      fingerprint: hostKeyFingerprint(ports.p, key),
    })),
  )

  /** The host on the way first: what is behind it cannot be seen without it. */
  const look = (typed: Where) =>
    looking.run(async () => {
      const wanted = connectionFrom(typed)
      where.value = typed
      connection.value = wanted
      const { jump } = wanted
      const first = jump === undefined ? wanted : { v: 1 as const, method: wanted.method, ...jump }
      shown.value = { host: first.host, keys: await lookAt(ports, first) }
      step.value = 'host'
    })

  function approve() {
    const [wanted, found] = [connection.value, shown.value]
    if (wanted === undefined || found === undefined) return
    const hostKeys = [...found.keys]
    const isJump = wanted.jump !== undefined && wanted.jump.hostKeys.length === 0
    connection.value =
      isJump && wanted.jump
        ? { ...wanted, jump: { ...wanted.jump, hostKeys } }
        : { ...wanted, hostKeys }
    step.value = credential === undefined ? 'credential' : 'open'
  }

  const take = (typed: Typed, method: LentMethod) =>
    looking.run(async () => {
      const wanted = connection.value
      if (wanted === undefined) return
      forget()
      credential = credentialOf(typed)
      connection.value = { ...wanted, method }
      if (wanted.hostKeys.length > 0) {
        step.value = 'open'
        return
      }
      shown.value = {
        host: wanted.host,
        keys: await lookAt(ports, connection.value, credential),
      }
      step.value = 'host'
    })

  const enrol = (passphrase: string, keep: boolean) =>
    vault.openFor(passphrase, async (opened) => {
      const [wanted, typed] = [connection.value, where.value]
      if (wanted === undefined || typed === undefined || credential === undefined) {
        throw new OcmError('ssh-lease-ended')
      }
      const { unlocked } = await confirmNodes(ports, opened)
      const label = typed.label.trim()
      const wish = { label, connection: wanted, credential, keep }
      const enrolled = await enrolOverSsh(ports, unlocked, wish, (now) => (lease.value = now))
      vault.renew(enrolled.unlocked)
      node.value = enrolled.node
      step.value = 'done'
      forget()
      vault.close()
      await queries.invalidateQueries({ queryKey: KEYS.nodes })
    })

  /** Back to the credential: what was lent did not do. */
  function again() {
    forget()
    lease.value = undefined
    vault.problem.value = undefined
    step.value = 'credential'
  }

  return {
    vault,
    looking,
    step,
    connection,
    shown,
    keys,
    lease,
    node,
    look,
    approve,
    take,
    enrol,
    again,
  }
}
