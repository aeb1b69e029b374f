/** A job's steps as lines for people, one for each change that says something new. */
import type { Job } from '@ocm/protocol'
import { bytes } from './format.ts'
import type { Terminal } from './terminal.ts'

export function tellSteps(terminal: Terminal): (job: Job) => void {
  let told = ''
  return (job) => {
    const line = stepLine(job)
    if (line !== undefined && line !== told) terminal.say(line)
    told = line ?? told
  }
}

function stepLine(job: Job): string | undefined {
  if ((job.asks ?? []).length > 0) {
    return '… waiting for a credential: ocm lend NODE (the job stays if you leave)'
  }
  if (job.state === 'waiting') return '… waiting for the node (the job stays if you leave)'
  const step = job.steps.find(({ state }) => state === 'running')
  if (step === undefined) return undefined
  const { total, unit } = step.progress
  const size = total === 0 ? '' : unit === 'bytes' ? ` (${bytes(total)})` : ` (${total} items)`
  if (step.phase === '') return `… ${step.name}`
  return `… ${step.name}: ${step.phase}${size}${WAITS[step.phase] ?? ''}`
}

/** What may take long without anything being wrong. */
const WAITS: Readonly<Record<string, string>> = {
  stopping: ' the gateway; OpenClaw waits for turns that are under way, up to 330 s',
}
