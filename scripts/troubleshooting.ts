/**
 * Writes docs/troubleshooting.md from the table of errors and from where the sources raise them.
 * `--check` changes nothing and answers 1 when the page is not what would be written, or a code has no next step.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { CODES, type ErrorCode, explain } from '../packages/protocol/src/errors.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const page = `${root}docs/troubleshooting.md`
const table = readFileSync(`${root}packages/protocol/src/errors.ts`, 'utf8')

const ANSWERS = 'the dashboard, `ocm` and answers of the API'
const PEOPLE = 'the dashboard and `ocm`'
/** Where a person meets what a part of the sources raises. */
const PLACES = [
  ['packages/hub/src/{config,main}.ts', 'the terminal or journal of `ocm-hub`'],
  ['packages/hub/src/{tls,upgrade,backup,copies}/**/*.ts', 'the terminal or journal of `ocm-hub`'],
  ['packages/agent/src/**/*.ts', 'the terminal or journal of `ocm-agent`, and the page of its job'],
  ['packages/hub/src/{app.ts,*/**/*.ts}', ANSWERS],
  ['packages/{operator,ui}/src/**/*.ts', PEOPLE],
  ['packages/protocol/src/**/*.ts', 'whatever reads what is not as it should be: all of them'],
] as const

const RETRY = {
  now: 'Trying again may help at once.',
  later: 'It may work later as it is; what runs by itself tries again by itself.',
  never: 'Trying again as it is does not help.',
} as const

const raised = PLACES.map(([files, place]) => {
  const paths = globSync(files, { cwd: root }).filter(
    (path) => !/\.(test|contract)\.ts$|\/testing\/|protocol\/src\/errors\.ts$/.test(path),
  )
  return [place, paths.map((path) => readFileSync(`${root}${path}`, 'utf8')).join('\n')] as const
})

const sayers = (said: RegExp) => raised.flatMap(([place, text]) => (said.test(text) ? [place] : []))

function placesOf(code: ErrorCode): string {
  // A code of one word is also a word: first only where an error is made of it.
  const made = new RegExp(`OcmError\\(\\s*'${code}'`)
  const strictly = sayers(made)
  const places =
    strictly.length > 0 && !code.includes('-') ? strictly : sayers(new RegExp(`'${code}'`))
  // What the hub answers is shown by both of those anyhow.
  const shown = new Set<string>(places)
  if (shown.has(ANSWERS)) shown.delete(PEOPLE)
  return [...shown].join('; ')
}

/** The table's own headings and the codes below each. */
function chapters(): readonly (readonly [string, readonly ErrorCode[]])[] {
  const found: [string, ErrorCode[]][] = []
  for (const [, heading, quoted, bare] of table.matchAll(
    /^ {2}(?:\/\/ (.+)|'([a-z-]+)': meaning\(|([a-z]+): meaning\()/gm,
  )) {
    const code = (quoted ?? bare) as ErrorCode | undefined
    if (code === undefined) found.push([heading ?? '', []])
    else found.at(-1)?.[1].push(code)
  }
  return found
}

const faults: string[] = []
const listed = chapters()
const missing = CODES.filter((code) => !listed.some(([, codes]) => codes.includes(code)))
faults.push(...missing.map((code) => `${code} stands under no heading`))

const entry = (code: ErrorCode): string => {
  const { message, next, retry } = explain(code)
  const places = placesOf(code)
  if (next.trim().length < 5) faults.push(`${code} has no next step`)
  if (places === '') faults.push(`${code} is raised nowhere`)
  return [`### ${code}`, `**${message}**`, `${next} ${RETRY[retry]}`, `Shown by: ${places}.`].join(
    '\n\n',
  )
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-')

const text = `# Troubleshooting

<!-- Written by scripts/troubleshooting.ts from packages/protocol/src/errors.ts. Change that table, then: npm run docs -->

Every failure of OCM has a code. \`ocm\` prints it in brackets behind its sentence and with \`--json\` as \`code\`; the API answers it with
\`message\`, \`next\`, \`requestId\` and \`help\`; the dashboard shows it below the sentence, as a link to its own copy of this page
(\`/help\` at the hub's address, which needs no login). What stands in ‹ › is filled in by the error itself.

Where to look for more:

- **What the nodes said** in a job is sealed for operators: the job's page in the dashboard, or \`ocm jobs show JOB --log\`.
- **The hub's log** goes to its standard error, one JSON object a line (\`OCM_LOG=debug\` says more); under systemd
  \`journalctl -u ocm-hub\`. A \`requestId\` is in the line of the request that failed. It holds no names and no contents of nodes.
- **The agent's log**: its standard error, or \`journalctl --user -u ocm-agent\` as the account that runs OpenClaw.
- **Whether it is connected**: \`ocm-agent status\` on the node, \`ocm nodes\` anywhere.

${listed.map(([heading, codes]) => `- [${capital(heading)}](#${anchor(heading)}): ${codes.map((code) => `[${code}](#${code})`).join(', ')}`).join('\n')}

${listed.map(([heading, codes]) => [`## ${capital(heading)}`, ...codes.map(entry)].join('\n\n')).join('\n\n')}
`

const checking = process.argv.includes('--check')
if (checking && readFileSync(page, 'utf8') !== text) {
  faults.push('docs/troubleshooting.md is not up to date: npm run docs')
}
if (!checking) writeFileSync(page, text)
for (const fault of faults) console.error(fault)
if (faults.length === 0) console.log(`${CODES.length} codes, each with its next step.`)
process.exitCode = faults.length === 0 ? 0 : 1
