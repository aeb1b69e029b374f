/** Whether the OpenClaw of a target can read the data of a snapshot. Data goes only forward. */
import type { Choices } from './choices.ts'
import type { Layout } from './layout.ts'
import type { Finding } from './plan.ts'

/** The version decides; where versions are equal or unknown, the schema numbers do. */
export function judgeVersions(
  snapshot: Pick<Layout, 'versions'>,
  target: Pick<Layout, 'versions'>,
  choices: Pick<Choices, 'allowUpgrade'>,
): readonly Finding[] {
  const here = target.versions
  const theirs = snapshot.versions
  const findings: Finding[] = []
  if (here.openclaw === '')
    findings.push({ code: 'openclaw-missing', weight: 'blocker', facts: {} })
  if (theirs.openclaw === '')
    findings.push({ code: 'version-unknown', weight: 'warning', facts: {} })
  const order =
    here.openclaw === '' || theirs.openclaw === ''
      ? 0
      : compareVersions(here.openclaw, theirs.openclaw)
  const verdict = order === 0 ? compareSchemas(here.schemas, theirs.schemas) : order
  const facts = { here: here.openclaw, theirs: theirs.openclaw }
  if (verdict < 0) findings.push({ code: 'openclaw-older', weight: 'blocker', facts })
  if (verdict > 0) {
    const weight = choices.allowUpgrade ? 'warning' : 'blocker'
    findings.push({ code: 'openclaw-newer', weight, facts })
  }
  return findings
}

/** Negative when `a` is older. Numbers are compared as numbers; a pre-release is older than its release. */
export function compareVersions(a: string, b: string): number {
  const [numbersA, restA] = partsOf(a)
  const [numbersB, restB] = partsOf(b)
  for (let i = 0; i < Math.max(numbersA.length, numbersB.length); i++) {
    const difference = (numbersA[i] ?? 0) - (numbersB[i] ?? 0)
    if (difference !== 0) return difference
  }
  if (restA === restB) return 0
  if (restA === '') return 1
  if (restB === '') return -1
  return restA < restB ? -1 : 1
}

function partsOf(version: string): readonly [numbers: readonly number[], rest: string] {
  const [, numbers = '', rest = ''] = /^v?(\d+(?:\.\d+)*)(.*)$/.exec(version.trim()) ?? []
  return [numbers.split('.').map(Number), rest]
}

/** A database that is too new for the target weighs more than one that it would upgrade. */
function compareSchemas(
  here: Readonly<Record<string, number>>,
  theirs: Readonly<Record<string, number>>,
): number {
  const differences = Object.entries(theirs).flatMap(([role, number]) => {
    const mine = here[role]
    return mine === undefined ? [] : [mine - number]
  })
  return differences.some((d) => d < 0) ? -1 : differences.some((d) => d > 0) ? 1 : 0
}
