/** A plan as text: where things go, what changes, what speaks against it. */
import { type Finding, MEANINGS, type Plan } from '@ocm/protocol'
import { blockersOf, warningsOf } from '../work/plan.ts'
import { bytes, count, factsText, table } from './format.ts'

const EDITS_SHOWN = 8

export function planText(plan: Plan): string {
  const blockers = blockersOf(plan)
  return [
    part('Where things go', rootsText(plan)),
    part('What becomes of what', itemsText(plan)),
    part('What is rewritten', editsText(plan)),
    part('To know before you approve', warningsOf(plan).map(findingText).join('\n')),
    part('What forbids it', blockers.map(findingText).join('\n')),
    `${bytes(plan.bytes)} to be written. Plan ${plan.hash.slice(0, 12)}.`,
  ]
    .filter((text) => text !== '')
    .join('\n\n')
}

const part = (title: string, text: string) => (text === '' ? '' : `${title}\n${indented(text)}`)
const indented = (text: string) => text.replaceAll(/^/gm, '  ')

function rootsText({ roots, port }: Plan): string {
  const rows = roots.map(({ root, from, to }) => [root, from, from === to ? '(stays)' : `-> ${to}`])
  if (port.from !== 0 || port.to !== 0) {
    rows.push(['port', String(port.from), port.from === port.to ? '(stays)' : `-> ${port.to}`])
  }
  return rows.length === 0 ? '' : table(['ROOT', 'WAS', 'BECOMES'], rows)
}

function itemsText({ items }: Plan): string {
  const rows = items.map((item) => [
    item.section,
    item.what,
    String(item.count),
    item.bytes === 0 ? '' : bytes(item.bytes),
    item.fate,
    item.why,
  ])
  return rows.length === 0 ? '' : table(['SECTION', 'WHAT', 'COUNT', 'BYTES', 'FATE', 'WHY'], rows)
}

function editsText({ edits }: Plan): string {
  if (edits.length === 0) return ''
  const done = edits.filter((edit) => edit.done)
  const left = edits.length - done.length
  const byClass = (name: string) => done.filter((edit) => edit.class === name).length
  const summary =
    `${count(done.length, 'place')}: ${byClass('structured')} known, ${byClass('unknown')} that only look like a path, ` +
    `${byClass('prose')} in prose. ${left === 0 ? '' : `${count(left, 'place')} in prose stay as they are (--prose changes them).`}`
  const first = done
    .slice(0, EDITS_SHOWN)
    .map(({ where, before, after }) => `${where}\n    ${before}\n -> ${after}`)
  const more = done.length - first.length
  return [
    summary.trimEnd(),
    ...first,
    ...(more > 0 ? [`and ${more} more (--json lists all)`] : []),
  ].join('\n')
}

export function findingText({ code, facts }: Finding): string {
  if (code in MEANINGS) {
    const { says, next } = MEANINGS[code as keyof typeof MEANINGS]
    return `${says(facts)} ${next} (${code})`
  }
  const known = FINDINGS[code]
  const more = factsText(facts)
  return known === undefined
    ? `${code}${more === '' ? '' : ` (${more})`}`
    : `${known(facts)} (${code})`
}

type Says = (facts: Finding['facts']) => string

/** Findings that are no errors; what stands in MEANINGS is said as there. */
const FINDINGS: Readonly<Record<string, Says>> = {
  'same-node': () => 'Source and target are the same node; that would be a restore.',
  'version-unknown': () => 'The version of OpenClaw could not be told on one of the two.',
  'root-invalid': (f) => `The place chosen for ${f['root']} cannot be used: ${f['why']}.`,
  'root-stays': (f) =>
    `${f['root']} stays at ${f['path']}; choose another place with --root if that is not meant.`,
  'root-shared': (f) =>
    `Source and target are one machine, and ${f['root']} would take the source's own ${f['path']} away; choose another place with --root.`,
  'roots-collide': (f) =>
    `${f['root']} would come to lie where ${f['other']} has something already: ${f['path']}.`,
  'config-read-only': () =>
    'The configuration on the target is managed from outside and may not be written.',
  'target-fenced': () =>
    'The target was moved away before; after this it runs again, so make sure that its successor does not.',
  'target-occupied': () =>
    'There is an OpenClaw on the target already; it is replaced, and kept aside for a rollback.',
  'platform-differs': (f) => `The platforms differ: ${f['from']} and ${f['to']}.`,
  'entries-unstable': (f) => `${f['count']} files changed while they were read.`,
  'entries-unreadable': (f) => `${f['count']} files could not be read and are not in the snapshot.`,
  'capture-warnings': (f) => `The capture gave ${f['count']} warnings.`,
  'inventory-missing': () =>
    'OpenClaw could not be asked what it has, so nothing can be compared afterwards.',
  'channel-ratchets': () =>
    'Channel keys may have been used since this snapshot; a channel may have to be paired again.',
  'unknown-paths': (f) =>
    `${f['count']} texts look like paths in places that OCM has no rule for; they are rewritten.`,
  'paths-outside': (f) =>
    `${f['count']} paths lie outside of what is moved, the first: ${f['first']}.`,
  'host-names': (f) =>
    `${f['count']} host names stand in the configuration; they stay as they are.`,
}
