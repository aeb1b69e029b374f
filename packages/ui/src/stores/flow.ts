/** A move, clone or restore from the passphrase to the last line of its log. The vault is open from one to the other. */
import {
  type LogLine,
  type Prepared,
  type Stage,
  backUp,
  blockersOf,
  confirmNodes,
  makePlan,
  openSnapshot,
  describeTarget,
  readJobLog,
  signOrder,
  startOrder,
} from '@ocm/operator'
import { type Job, isFinal } from '@ocm/protocol'
import { useQueryClient } from '@tanstack/vue-query'
import { computed, ref, shallowRef, watch } from 'vue'
import { usePorts } from '../api/client.ts'
import { KEYS, useJob } from '../api/queries.ts'
import { type Chosen, chooseAmong } from '../choices.ts'
import { useInterval } from '../clock.ts'
import type { FlowWish } from '../flow.ts'
import { partsOf } from '../parts.ts'
import { useLending } from './lending.ts'
import { useTask } from './task.ts'
import { useVault } from './vault.ts'

export type FlowStep = 'choose' | 'passphrase' | 'plan' | 'work'
export type Preparing =
  | 'opening'
  | 'confirming'
  | 'connecting'
  | 'backing-up'
  | 'reading'
  | 'describing'

const ASK_AGAIN_MS = 2000

export function useFlow() {
  const ports = usePorts()
  const queries = useQueryClient()
  const vault = useVault()
  const lending = useLending()
  const approving = useTask()
  const again = useTask()

  const step = ref<FlowStep>('choose')
  const wish = shallowRef<FlowWish>()
  const preparing = ref<Preparing>()
  const backup = shallowRef<Job>()
  const prepared = shallowRef<Prepared>()
  const jobId = ref('')
  const lines = shallowRef<readonly LogLine[]>([])

  const found = useJob(jobId)
  const job = computed(() => (jobId.value === '' ? undefined : found.data.value))
  const plan = computed(() => prepared.value?.plan)
  const parts = computed(() => partsOf(prepared.value?.source.manifest ?? { inventory: null }))
  const blocked = computed(() => plan.value === undefined || blockersOf(plan.value).length > 0)

  const off = () => (wish.value?.off ? { unfenced: true as const } : {})
  const planned = (wanted: Parameters<typeof makePlan>[1]): Prepared =>
    makePlan(ports.p, { ...wanted, ...off() })

  function begin(wished: FlowWish) {
    wish.value = wished
    step.value = 'passphrase'
  }

  /** Everything up to the plan. Nothing is changed on either node but that the source may be backed up. */
  async function prepare(passphrase: string) {
    const wished = wish.value
    if (wished === undefined) return
    preparing.value = 'opening'
    backup.value = undefined
    const done = await vault.openFor(passphrase, async (opened) => {
      preparing.value = 'confirming'
      const { unlocked } = await confirmNodes(ports, opened)
      vault.renew(unlocked)
      await queries.invalidateQueries({ queryKey: KEYS.nodes })
      preparing.value = 'connecting'
      const lender = await lending.make(unlocked)
      const isWithout = wished.kind !== 'move' && wished.snapshot !== 'fresh'
      const wantedNodes = wished.off || isWithout ? [wished.target] : [wished.source, wished.target]
      await lender.connect(wantedNodes)
      let snapshot = wished.snapshot
      if (snapshot === 'fresh') {
        preparing.value = 'backing-up'
        snapshot = await backUp(ports, wished.source, showBackup)
        // Planning again is not backing up again.
        wish.value = { ...wished, snapshot }
      }
      preparing.value = 'reading'
      const source = await openSnapshot(ports, unlocked, snapshot)
      preparing.value = 'describing'
      // The connection may have ended with the backup before.
      await lender.connect(wantedNodes)
      const wanted = { source, kind: wished.kind, ...off() }
      const target = await describeTarget(ports, unlocked, wished.target, wanted)
      prepared.value = planned({ ...wanted, target })
    })
    preparing.value = undefined
    if (done && vault.unlocked.value !== undefined) step.value = 'plan'
  }

  const showBackup = (stage: Stage) => {
    if (stage.kind !== 'backing-up') return
    backup.value = stage.job
    lending.heed(stage.job)
  }

  /** The same snapshot and target, decided otherwise. */
  function choose(chosen: Chosen) {
    const so = prepared.value
    if (so === undefined) return
    const choices = chooseAmong(so.plan.choices, chosen)
    prepared.value = planned({ ...so, kind: so.plan.kind, choices })
  }

  /** Asks the target once more; what was chosen stays. */
  const planAgain = () =>
    again.run(async () => {
      const [so, unlocked] = [prepared.value, vault.unlocked.value]
      if (so === undefined || unlocked === undefined) return
      const { kind, ...choices } = so.plan.choices
      const wanted = { source: so.source, kind, choices, ...off() }
      const target = await describeTarget(ports, unlocked, so.target.node, wanted)
      prepared.value = planned({ ...wanted, target })
      approving.problem.value = undefined
    })

  const approve = () =>
    approving.run(async () => {
      const [so, unlocked] = [prepared.value, vault.unlocked.value]
      if (so === undefined || unlocked === undefined) return
      const started = await startOrder(ports.api, await signOrder(ports, unlocked, so))
      queries.setQueryData(KEYS.job(started.id), started)
      void queries.invalidateQueries({ queryKey: KEYS.jobs, exact: true })
      jobId.value = started.id
      step.value = 'work'
    })

  async function readLog() {
    const unlocked = vault.unlocked.value
    if (unlocked === undefined || jobId.value === '') return
    try {
      lines.value = await readJobLog(ports, unlocked, jobId.value)
    } catch {
      // A hub that is away is asked again, and the page says so by itself; the lines that are there stay.
    }
  }

  // An event may be lost with its connection.
  useInterval(() => {
    if (step.value !== 'work' || job.value === undefined || isFinal(job.value.state)) return
    void found.refetch()
    void readLog()
  }, ASK_AGAIN_MS)

  // Lends again what was lent, when a connection was lost.
  watch(job, (now) => {
    if (now !== undefined && !isFinal(now.state)) lending.heed(now)
  })

  watch(
    () => job.value !== undefined && isFinal(job.value.state),
    async (over) => {
      if (!over) return
      await readLog()
      vault.close()
      letGo()
    },
  )

  // Closed because it was open for too long: the plan cannot be ordered any more.
  watch(vault.unlocked, (unlocked) => {
    if (unlocked === undefined && step.value === 'plan') step.value = 'passphrase'
  })

  function letGo() {
    // Nobody waits for it, and where the hub is away its leases end by themselves as well.
    lending.end().catch(() => undefined)
  }

  function restart() {
    letGo()
    vault.close()
    prepared.value = undefined
    jobId.value = ''
    lines.value = []
    step.value = 'choose'
  }

  return {
    vault,
    lending,
    step,
    wish,
    preparing,
    backup,
    plan,
    parts,
    prepared,
    blocked,
    approving,
    again,
    job,
    lines,
    begin,
    prepare,
    choose,
    planAgain,
    approve,
    restart,
  }
}
