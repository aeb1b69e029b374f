/** `ocm-agent`: join a hub, run beside OpenClaw, say who this node is. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { OcmError, VERSION } from '@ocm/protocol'
import { type Status, createAgent, errand } from './agent.ts'
import { beLean } from './lean.ts'
import { createLog } from './log.ts'

interface Options {
  readonly state: string
  readonly openclawHome: string
  readonly openclawBin?: string
}

const defaultState = process.env['STATE_DIRECTORY'] ?? join(homedir(), '.local/state/ocm-agent')

function command(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .addOption(new Option('--state <dir>', "the agent's own directory").default(defaultState))
    .addOption(
      new Option('--openclaw-home <dir>', 'home of the account that runs OpenClaw').default(
        homedir(),
      ),
    )
    .addOption(new Option('--openclaw-bin <path>', 'the openclaw program, if it is not in PATH'))
}

const agentOf = ({ state, openclawHome, openclawBin }: Options) =>
  createAgent({
    stateDir: resolve(state),
    home: resolve(openclawHome),
    ...(openclawBin === undefined ? {} : { openclawBin: resolve(openclawBin) }),
    log: createLog(process.env['OCM_LOG'] ?? 'info'),
  })

const program = new Command('ocm-agent')
  .description('The agent of OCM on an OpenClaw node')
  .version(VERSION)

command('join', 'join a hub with the string that `ocm ticket` printed')
  .argument('[string]', 'the join string; left out or "-": read from standard input')
  .option('--file <path>', 'read the join string from a file')
  .action(async (given: string | undefined, options: Options & { readonly file?: string }) => {
    const { node, fingerprints } = await agentOf(options).join(await joinStringOf(given, options))
    console.log(`Joined as node ${node}.`)
    console.log(`  this node  ${fingerprints.node}`)
    console.log(`  hub        ${fingerprints.hub}`)
    console.log(`  vault      ${fingerprints.vault}   compare with the printed recovery kit`)
    console.log('Now start the agent: ocm-agent run')
  })

async function joinStringOf(
  given: string | undefined,
  { file }: { readonly file?: string },
): Promise<string> {
  if (file !== undefined) return readFile(file, 'utf8')
  if (given !== undefined && given !== '-') return given
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

command('run', 'connect to the hub and do what operators order').action(
  async (options: Options) => {
    beLean()
    process.umask(0o077)
    const running = await agentOf(options).run()
    let stopping = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stopping) return
        stopping = true
        void running.stop().then(() => process.exit(0), fail)
      })
    }
  },
)

command('status', 'who this node is, and whether its agent runs')
  .option('--json', 'as JSON')
  .action(async (options: Options & { readonly json?: true }) => {
    const status = await agentOf(options).status()
    console.log(options.json ? JSON.stringify(status) : describe(status))
  })

function describe(status: Status): string {
  const { fingerprints, head, openclaw } = status
  const openclawLine =
    openclaw.version === '' ? 'not found' : `${openclaw.version} in ${openclaw.state}`
  if (!fingerprints) return `not enrolled\nOpenClaw   ${openclawLine}`
  return [
    `node       ${status.node} ${status.running ? '(running)' : '(not running)'}`,
    `this node  ${fingerprints.node}`,
    `hub        ${fingerprints.hub} at ${status.hub.join(', ')}`,
    `vault      ${fingerprints.vault}, record ${status.vaultRecord}`,
    `head       ${head ? `snapshot ${head.seq}, ${head.snapshot.slice(0, 12)}` : 'none yet'}`,
    `OpenClaw   ${openclawLine}`,
  ].join('\n')
}

program
  .command('errand', { hidden: true })
  .description('do one piece of work that `ocm` asks for on standard input')
  .action(async () => {
    process.umask(0o077)
    // What is left then are open handles of work that nobody waits for.
    process.exit(await errand(process.stdin, process.stdout))
  })

function fail(error: unknown): void {
  if (error instanceof OcmError) console.error(`${error.message}\n${error.next} [${error.code}]`)
  else console.error(error)
  process.exitCode = 1
}

try {
  await program.parseAsync()
} catch (error) {
  fail(error)
}
