/** Lending for one dialog or one flow: what is not stored is asked for, held in memory, and overwritten at the end. */
import { type Lender, type Typed, type Unlocked, createLender, credentialOf } from '@ocm/operator'
import {
  type NodeState,
  OcmError,
  type SshConnection,
  type SshCredential,
  type SshLease,
} from '@ocm/protocol'
import { onScopeDispose, ref, shallowRef } from 'vue'
import { usePorts } from '../api/client.ts'

/** Somebody is to type a credential for this node. */
export interface Asking {
  readonly node: NodeState
  readonly connection: SshConnection
  readonly answer: (credential: SshCredential) => void
  readonly refuse: () => void
}

export function useLending() {
  const ports = usePorts()
  const asking = shallowRef<Asking>()
  /** Of the lease that is being dialled. */
  const state = ref<SshLease['state']>()
  /** A job asks again, and lending again has failed. */
  const failed = shallowRef<{ readonly node: NodeState; readonly error: unknown }>()
  let lender: Lender | undefined

  const credential = (node: NodeState, connection: SshConnection) =>
    new Promise<SshCredential>((resolve, reject) => {
      const settled = (settle: () => void) => {
        asking.value = undefined
        settle()
      }
      asking.value = {
        node,
        connection,
        answer: (given) => settled(() => resolve(given)),
        refuse: () => settled(() => reject(new OcmError('declined'))),
      }
    })

  /** One at a time: making another ends the one before. */
  async function make(unlocked: Unlocked): Promise<Lender> {
    await end()
    state.value = undefined
    failed.value = undefined
    lender = createLender(ports, unlocked, {
      credential,
      onLease: (_, lease) => (state.value = lease.state),
      onFailed: (node, error) => (failed.value = { node, error }),
    })
    return lender
  }

  /** @throws OcmError what is wrong with what was typed; it can be typed again then. */
  function answer(typed: Typed): void {
    asking.value?.answer(credentialOf(typed))
  }

  async function end(): Promise<void> {
    asking.value?.refuse()
    const ending = lender
    lender = undefined
    await ending?.close()
  }

  /** Leaves leases to the job that they are for, and overwrites what is held here. */
  onScopeDispose(() => {
    asking.value?.refuse()
    lender?.forget()
    lender = undefined
  })

  return {
    asking,
    state,
    failed,
    make,
    answer,
    end,
    heed: (job: Parameters<Lender['heed']>[0]) => lender?.heed(job),
  }
}
