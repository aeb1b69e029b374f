/** `ocm-agent`: join a hub, run beside OpenClaw, say who this node is. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { OcmError, VERSION, nonceOf } from '@ocm/protocol'
import { freesWhatItIsHanded, nodePrimitives } from '@ocm/protocol/node'
import { type Status, createAgent, errand } from './agent.ts'
import { beLean } from './lean.ts'
import { createLog, logInto } from './log.ts'
import { serviceManager } from './service-manager.ts'
import { launch } from './update/launch.ts'
import { forgetBase } from './update/restart.ts'

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

const placesOf = ({ state, openclawHome, openclawBin }: Options) => ({
  stateDir: resolve(state),
  home: resolve(openclawHome),
  ...(openclawBin === undefined ? {} : { openclawBin: resolve(openclawBin) }),
})

const agentOf = (options: Options) =>
  createAgent({ ...placesOf(options), log: createLog(process.env['OCM_LOG'] ?? 'info') })

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
    const log = createLog(process.env['OCM_LOG'] ?? 'info')
    await launch(nodePrimitives, resolve(options.state), log)
    freesWhatItIsHanded()
    forgetBase()
    process.umask(0o077)
    const manager = serviceManager(process.env, (error) => console.error(error))
    const running = await agentOf(options).run()
    manager.ready()
    let stopping = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (stopping) return
        stopping = true
        manager.stopping()
        void running.stop().then(() => process.exit(0), fail)
      })
    }
  },
)

const endInput = () => void process.stdin.destroy()

command('stdio', 'serve one session over standard input and output, as a hub asks for through ssh')
  .addOption(new Option('--nonce <hex>', 'what the first lines begin with').hideHelp())
  .action(async (options: Options & { readonly nonce?: string }) => {
    beLean()
    freesWhatItIsHanded()
    process.umask(0o077)
    const nonce = options.nonce ?? nonceOf(process.env['SSH_ORIGINAL_COMMAND'] ?? '')
    if (nonce === undefined) throw new OcmError('wrong-use', { what: 'stdio is started by a hub' })
    // What goes to standard error goes to the hub, which is not to see names and paths of this node.
    const agent = createAgent({
      ...placesOf(options),
      program: process.argv[1] ?? '',
      // Stage 0 gives the nonce along.
      isForced: options.nonce === undefined,
      log: logInto(resolve(options.state)),
    })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, endInput)
    const { stdin: input, stdout: output } = process
    try {
      await agent.attend({ input, output, nonce })
    } catch (error) {
      fail(error)
    }
    process.exit()
  })

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
  // Named: what started us may have been `node -e`, which commander would read otherwise.
  await program.parseAsync(process.argv)
} catch (error) {
  fail(error)
}
