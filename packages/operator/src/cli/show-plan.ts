/** A plan as text: where things go, what changes, what speaks against it. */
import { type Finding, MEANINGS, type Plan } from '@ocm/protocol'
import { blockersOf, noticesOf, warningsOf } from '../work/plan.ts'
import { bytes, count, factsText, table } from './format.ts'

const EDITS_SHOWN = 8

export function planText(plan: Plan): string {
  const blockers = blockersOf(plan)
  return [
    part('Which parts', partsText(plan)),
    part('Where things go', rootsText(plan)),
    part('What becomes of what', itemsText(plan)),
    part('What is rewritten', editsText(plan)),
    part('What is only proposed', proposedText(plan)),
    part('What stays, and may not hold on the target', reportsText(plan)),
    part('Good to know', noticesOf(plan).map(findingText).join('\n')),
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

const renamed = ({ from, to }: { readonly from: string; readonly to: string }) =>
  from === to ? from : `${from} -> ${to}`

/** Everything else on the target stays as it is. */
function partsText({ graft }: Plan): string {
  if (graft === undefined) return ''
  const rows = [
    ...graft.personas.map((one) => ['persona', renamed(one)]),
    ...graft.cron.map((one) => ['cron job', renamed(one)]),
    ...graft.config.map((pointer) => ['configuration', pointer]),
    ...graft.sections.map((section) => ['section', section]),
    ...graft.carried
      .filter(({ path }) => path !== '')
      .map(({ was, to }) => ['directory', was === to ? was : `${was} -> ${to}`]),
  ]
  return table(['PART', 'NAME'], rows)
}

function itemsText({ items }: Plan): string {
  const rows = items.map((item) => [
    item.section,
    item.what,
    String(item.count),
    item.bytes === 0 ? '' : bytes(item.bytes),
    item.fate,
    REASONS[item.why] ?? item.why,
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

/** Prose is shown, and left as it is unless it is chosen. */
function proposedText({ edits }: Plan): string {
  const left = edits.filter(({ done }) => !done)
  const first = left
    .slice(0, EDITS_SHOWN)
    .map(({ where, before, after }) => `${where}\n  - ${before}\n  + ${after}`)
  return [...first, ...moreThan(left.length)].join('\n')
}

const moreThan = (all: number): readonly string[] =>
  all > EDITS_SHOWN ? [`and ${all - EDITS_SHOWN} more (--json lists all)`] : []

type Why = Plan['reports'][number]['why']

const BECAUSE: Readonly<Record<Why, string>> = {
  'path-missing': 'Not on the target, and not in the snapshot',
  'path-nowhere': 'On neither side: it was missing before',
  'path-unchecked': 'Not in the snapshot; whether the target has it was not asked',
  'command-missing': 'Programs that the target does not have',
  'port-in-use': 'Ports that something else on the target listens on',
  localhost: 'Addresses of the machine itself',
  'localhost-silent': 'Addresses of the machine itself where nothing answers on the target',
  host: 'Names and addresses of hosts',
  'plugin-missing': 'Plugins whose files are neither in the snapshot nor on the target',
  'dependencies-left':
    'Plugins whose dependencies (node_modules) neither come along nor are on the target for the same version',
  'field-unknown': 'Fields that hold places by the word of OpenClaw, and that OCM has no rule for',
  'text-unscanned':
    'Files that were not looked through for paths: too large, not UTF-8, or a database of your own',
  'table-unknown': 'Tables and columns that OCM has no rules for; looked through for paths',
  'schema-unknown': 'Databases of a later schema than OCM knows',
}

function reportsText({ reports }: Plan): string {
  return (Object.keys(BECAUSE) as Why[])
    .flatMap((why) => {
      const some = reports.filter((one) => one.why === why)
      if (some.length === 0) return []
      const first = some.slice(0, EDITS_SHOWN).map(({ where, text }) => `  ${text}  (${where})`)
      const more = moreThan(some.length).map((text) => `  ${text}`)
      return [`${BECAUSE[why]}:`, ...first, ...more]
    })
    .join('\n')
}

/** Reasons of the plan in plain words. */
const REASONS: Readonly<Record<string, string>> = {
  travels: 'travels as it is',
  'paths-change': 'its paths change',
  'one-of-a-kind': 'two nodes with it would be one',
  'of-this-machine': 'belongs to the old machine',
  'made-anew': 'makes itself again',
  chosen: 'as chosen',
  'sent-since': 'may have been sent or answered since',
  'taken-up': 'nobody else goes on with them',
  'ended-elsewhere': 'may have been ended since, or go on elsewhere',
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
  'gateway-ends-agent': ({ who }) =>
    `The gateway on the ${who} is the main process of the container that the agent looks into: its end would end the agent in the middle. ${
      who === 'source'
        ? 'Stop its container for good and go on from its last snapshot: ocm move A B --source-is-off.'
        : 'Stop its container and write the snapshot into its volume: ocm recover STORE --to DIR --home HOME.'
    } Backups go on as they are.`,
  'gateway-not-allowed': ({ who }) =>
    `The agent's account on the ${who} may not stop its gateway, or not keep it from starting. Run the agent as the account that the gateway runs as; for a unit of the machine as root.`,
  'state-mount-point': ({ who }) =>
    `The state directory of the ${who} is a mount point, which cannot be put aside. Mount a directory around it instead.`,
  'state-not-writable': ({ who }) =>
    `The agent's account on the ${who} may not rename its state directory. Give it the right to write to the directory around it.`,
  'same-node': () => 'Source and target are the same node; that would be a restore.',
  'version-unknown': () => 'The version of OpenClaw could not be told on one of the two.',
  'root-invalid': (f) => `The place chosen for ${f['root']} cannot be used: ${f['why']}.`,
  'root-fixed': (f) =>
    `The target's agent serves ${f['path']} as its ${f['root']}, not ${f['wished']}. For another profile or account join a second agent there, and choose that node. What is shown above is how it would be there.`,
  'paths-missing': (f) =>
    `${f['count']} places are neither on the target nor in the snapshot, the first: ${f['first']}.`,
  'commands-missing': (f) =>
    `${f['count']} programs are not installed on the target, the first: ${f['first']}.`,
  'ports-in-use': (f) => `${f['count']} ports are in use on the target, the first: ${f['first']}.`,
  'localhost-silent': (f) =>
    `Nothing answers on the target at ${f['count']} addresses of the machine itself, the first: ${f['first']}.`,
  'plugins-missing': (f) =>
    `${f['count']} plugins are not on the target and do not come along, the first: ${f['first']}. Install them there first: openclaw plugins install.`,
  'dependencies-left': (f) =>
    `The dependencies of ${f['count']} plugins do not come along, the first: ${f['first']}. Install them on the target afterwards: openclaw plugins update ID, or, for a plugin from a directory of your own, npm install in its directory.`,
  'fields-unknown': (f) =>
    `${f['count']} fields of the configuration hold places that OCM has no rule for, the first: ${f['first']}. They stay as they are; see that they hold there.`,
  'texts-unscanned': (f) =>
    `${f['count']} files were not looked through for paths, because they are larger than 1 MB, not UTF-8 or databases of your own, the first: ${f['first']}.`,
  'tables-unknown': (f) =>
    `${f['count']} tables or columns are new to OCM, the first: ${f['first']}. They were looked through for paths; more may have to be done.`,
  'schema-unknown': (f) =>
    `A database has a later schema than OCM knows (${f['first']}). Its rows were looked through for paths.`,
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
  'api-keys-left': (f) =>
    `${f['count']} keys of providers stay behind, out of auth profiles, the configuration, variables, files of secrets and stored secrets: add new ones to the clone afterwards, or give it these with --keep-api-keys. Files in workspaces go along as they are.`,
  'secrets-unsure': (f) =>
    `${f['count']} texts in the configuration look like secrets and go along: on command lines, in addresses or in fields that OCM does not know. Look at them before you give the clone away.`,
  'trial-skipped': () =>
    'No copy is tried on the target first: whether its gateway starts is seen after the source has stopped.',
  'trial-missing': () =>
    'The agent on the target is too old to try a copy first: whether its gateway starts is seen after the source has stopped. Update it, or go on.',
  'trial-not-isolated': () =>
    'The copy that is tried on the target has no network of its own there, so it could reach out: a login that it refreshes is lost to the source. Install iproute2 and allow user namespaces on the target, or go without the trial: --no-trial.',
  'platform-differs': (f) => `The platforms differ: ${f['from']} and ${f['to']}.`,
  'entries-unstable': (f) => `${f['count']} files changed while they were read.`,
  'entries-unreadable': (f) => `${f['count']} files could not be read and are not in the snapshot.`,
  'capture-warnings': (f) => `The capture gave ${f['count']} warnings.`,
  'inventory-missing': () =>
    'OpenClaw could not be asked what it has, so nothing can be compared afterwards.',
  'channel-ratchets': () =>
    'Channel keys may have been used since this snapshot; a channel may have to be paired again.',
  'choice-empty': () => 'Nothing of what was chosen is in the snapshot.',
  'choice-unknown': (f) => `The snapshot has no ${f['what']} called ${f['name']}.`,
  'choice-unsupported': (f) =>
    `The section ${f['section']} cannot be put into a node by itself; choose parts of the configuration, or apply the snapshot whole.`,
  'choice-of-a-move': () => 'A move takes everything; clone the parts instead.',
  'graft-target-empty': () =>
    'There is no OpenClaw state on the target to put parts into; clone everything.',
  'graft-target-unknown': () => 'The agent on the target is too old to put parts in; update it.',
  'graft-schema-differs': (f) =>
    `Rows of schema ${f['theirs']} cannot be put among rows of schema ${f['here']}; bring both to one version of OpenClaw and back the source up again.`,
  'graft-renamed': (f) =>
    `${f['name']} is called ${f['becomes']} there, because its name is taken.`,
  'graft-keeps-own': (f) => `The target has its own ${f['name']} and keeps it.`,
  'graft-replaces': (f) => `${f['count']} parts that are there now are replaced.`,
  'ties-unknown': () =>
    'The snapshot is from before parts could be chosen: back the source up again, so that what they are made of is known.',
  'dangling-persona': (f) =>
    `${f['by']} is of the persona ${f['name']}, which is neither chosen nor on the target.`,
  'dangling-channel': (f) =>
    `${f['by']} speaks on ${f['name']}, a channel that the target does not have.`,
  'dangling-provider': (f) =>
    `${f['by']} uses models of ${f['name']}, which the target has neither a provider nor an account of.`,
  'dangling-credential': (f) =>
    `${f['by']} uses the account ${f['name']}, which the target does not have.`,
  'dangling-plugin': (f) =>
    `${f['by']} is of the plugin ${f['name']}, which is not on the target and does not come along. Install it there first: openclaw plugins install.`,
  'dangling-variable': (f) => `${f['by']} uses \${${f['name']}}, which nothing on the target sets.`,
  'dangling-secrets': (f) =>
    `${f['by']} takes secrets from ${f['name']}, which the target does not have.`,
  'gateway-not-managed': () =>
    'Nothing on the target starts the gateway by itself: it is started, and a reboot ends it. openclaw gateway install changes that.',
  'prose-left': (f) => `${f['count']} paths in prose are left as they are; --prose rewrites them.`,
  'schema-unasked': () =>
    'OpenClaw on the source was not asked yet which fields of its configuration are places: what OCM has no rule for may be one. Back the source up again in some minutes.',
  'paths-nowhere': (f) =>
    `${f['count']} places are on neither side, and were missing before, the first: ${f['first']}.`,
  'paths-unchecked': (f) =>
    `${f['count']} places are not in the snapshot, and whether the target has them was not asked, the first: ${f['first']}.`,
  'localhost-urls': (f) =>
    `${f['count']} addresses name the machine itself, the first: ${f['first']}. What listens there has to run on the target too.`,
  'unknown-paths': (f) =>
    `${f['count']} texts look like paths in places that OCM has no rule for; they are rewritten.`,
  'paths-outside': (f) =>
    `${f['count']} paths lie outside of what is moved, the first: ${f['first']}.`,
  'host-names': (f) =>
    `${f['count']} host names stand in the configuration; they stay as they are.`,
}
