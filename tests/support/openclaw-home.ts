/**
 * A populated home of a real OpenClaw, made offline through its own command line: personas with workspaces, credentials,
 * an include file, secrets, skills, a hook, a plugin, exec approvals, cron jobs and conversations. Making one takes some
 * minutes, so it is kept and copied; because OpenClaw writes absolute paths everywhere, each copy is put at the one path
 * that it was made at.
 */
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NAMES, PATHS, SECRETS } from './canaries.ts'
import { startMockModel } from './mock-model.ts'
import { openclaw, startGateway } from './openclaw.ts'
import { postponeJobs } from './postponed.ts'

const ground = join(tmpdir(), `ocm-e2e-${process.getuid?.() ?? 0}`)
/** Where the populated home always lies. */
export const ALICE = join(ground, 'machine-a', 'home', 'alice')
export const GATEWAY_PORT = 28_811
export const MODEL_PORT = 28_871

const versionOf = (file: string) => readFileSync(fileURLToPath(new URL(file, import.meta.url)))

/** Another recipe, another OpenClaw: another home. */
const recipe = createHash('sha256')
  .update(versionOf('./openclaw-home.ts'))
  .update(versionOf('./canaries.ts'))
  .update(versionOf('../node_modules/openclaw/package.json'))
  .digest('hex')
  .slice(0, 12)

const copy = (from: string, to: string) => execFileSync('cp', ['-a', '--reflink=auto', from, to])

/** A fresh populated home at ALICE. Only one test file at a time may use it. */
export async function populatedHome(): Promise<string> {
  const kept = join(ground, 'kept', recipe)
  if (!existsSync(kept)) {
    rmSync(join(ground, 'machine-a'), { recursive: true, force: true })
    await mkdir(ALICE, { recursive: true })
    await populate(ALICE)
    mkdirSync(join(ground, 'kept'), { recursive: true })
    copy(ALICE, `${kept}.part`)
    renameSync(`${kept}.part`, kept)
  }
  rmSync(join(ground, 'machine-a'), { recursive: true, force: true })
  mkdirSync(join(ALICE, '..'), { recursive: true })
  copy(kept, ALICE)
  postponeJobs(ALICE)
  return ALICE
}

/** A directory of its own for one run, beside the home; emptied first. */
export function freshMachine(name: string): string {
  const machine = join(ground, name)
  rmSync(machine, { recursive: true, force: true })
  mkdirSync(machine, { recursive: true })
  return machine
}

async function populate(home: string): Promise<void> {
  const state = join(home, '.openclaw')
  const run = (args: readonly string[], input?: string) =>
    openclaw(home, args, input === undefined ? {} : { input })
  const { persona, secondPersona } = NAMES

  await run([
    'onboard',
    '--non-interactive',
    '--accept-risk',
    '--mode',
    'local',
    '--auth-choice',
    'skip',
    '--workspace',
    join(state, 'workspace'),
    '--gateway-port',
    String(GATEWAY_PORT),
    '--gateway-bind',
    'loopback',
    '--gateway-auth',
    'token',
    '--gateway-token',
    SECRETS.gatewayToken,
    '--skip-channels',
    '--skip-skills',
    '--skip-health',
    '--skip-search',
    '--skip-hooks',
    '--skip-ui',
    '--no-install-daemon',
    '--json',
  ])
  await writeFile(
    join(state, '.env'),
    `# kept by hand\nMOCK_API_KEY=${SECRETS.dotenvKey}\nOPENWEATHER_API_KEY="${SECRETS.weatherKey}"\nNOTES_DIR=${home}/desk-${persona}\n`,
    { mode: 0o600 },
  )
  await writeFile(
    join(state, 'secrets.json'),
    JSON.stringify({ mock: { apiKey: SECRETS.fileSecret } }),
    {
      mode: 0o600,
    },
  )
  for (const id of [persona, secondPersona]) {
    await run([
      'agents',
      'add',
      id,
      '--non-interactive',
      '--workspace',
      join(home, `desk-${id}`),
      '--json',
    ])
  }
  const paste = (owner: string, provider: string, profile: string, key: string) =>
    run(
      [
        'models',
        'auth',
        '--agent',
        owner,
        'paste-api-key',
        '--provider',
        provider,
        '--profile-id',
        profile,
      ],
      `${key}\n`,
    )
  await paste('main', 'openai', 'openai:manual', SECRETS.openaiKey)
  await paste(persona, 'anthropic', `anthropic:${persona}`, SECRETS.anthropicKey)

  await configure(home, run)
  await extend(home, run)
  await run(
    ['secrets', 'store', 'set', 'OCM_SECRET', '--kind', 'secret', '--value-file', '-'],
    SECRETS.storeSecret,
  )
  await fillWorkspaces(home)
  await converse(home, run)
}

type Run = (args: readonly string[], input?: string) => Promise<string>

async function configure(home: string, run: Run): Promise<void> {
  const state = join(home, '.openclaw')
  const models = `{
  // kept in a file of its own
  providers: { mock: { baseUrl: 'http://127.0.0.1:${MODEL_PORT}/v1', api: 'openai-completions',
    apiKey: '\${MOCK_API_KEY}', models: [{ id: 'mock-1', name: 'Mock 1' }] } },
}
`
  await mkdir(join(home, PATHS.extraSkills), { recursive: true })
  await mkdir(join(home, 'mcp'), { recursive: true })
  await writeFile(join(home, 'mcp', 'server.mjs'), 'process.stdin.resume()\n')
  const patch = {
    models: {
      providers: {
        mock: {
          baseUrl: `http://127.0.0.1:${MODEL_PORT}/v1`,
          api: 'openai-completions',
          apiKey: '${MOCK_API_KEY}',
          models: [{ id: 'mock-1', name: 'Mock 1' }],
        },
      },
    },
    agents: { defaults: { model: { primary: 'mock/mock-1' }, heartbeat: { every: '0m' } } },
    secrets: {
      providers: { filemain: { source: 'file', path: join(state, 'secrets.json'), mode: 'json' } },
    },
    env: { vars: { OCM_HOME: home } },
    logging: { file: join(home, 'logs', 'openclaw.log') },
    skills: { load: { extraDirs: [join(home, PATHS.extraSkills)] } },
    mcp: {
      servers: {
        demo: {
          command: 'node',
          args: [join(home, 'mcp', 'server.mjs')],
          cwd: join(home, 'mcp'),
          env: { DEMO_ROOT: join(home, 'mcp'), DEMO_TOKEN: SECRETS.mcpToken },
          enabled: false,
        },
      },
    },
    gateway: {
      controlUi: {
        allowedOrigins: [`http://127.0.0.1:${GATEWAY_PORT}`, 'https://node-a.example.internal'],
      },
    },
    plugins: { entries: { telegram: { enabled: false } } },
    bindings: [{ agentId: NAMES.persona, match: { channel: 'telegram', accountId: 'default' } }],
  }
  await writeFile(join(home, 'patch.json'), JSON.stringify(patch))
  await run(['config', 'patch', '--file', join(home, 'patch.json')])
  // The command line cannot write an include.
  await writeFile(join(state, 'models.json5'), models, { mode: 0o600 })
  const config = JSON.parse(await readFile(join(state, 'openclaw.json'), 'utf8')) as object
  await writeFile(
    join(state, 'openclaw.json'),
    `${JSON.stringify({ ...config, models: { $include: './models.json5' } }, null, 2)}\n`,
  )
}

async function extend(home: string, run: Run): Promise<void> {
  const skill = join(home, 'skill-source')
  await mkdir(skill)
  await writeFile(
    join(skill, 'SKILL.md'),
    `---\nname: ${NAMES.skill}\ndescription: A skill for tests.\n---\nRun ${home}/desk-${NAMES.persona}/tool.sh.\n`,
  )
  await run(['skills', 'install', skill, '--agent', NAMES.persona])
  await run(['skills', 'install', skill, '--global', '--as', `${NAMES.skill}-global`])

  const hook = join(home, '.openclaw', 'hooks', NAMES.hook)
  await mkdir(hook, { recursive: true })
  await writeFile(
    join(hook, 'HOOK.md'),
    `---\nname: ${NAMES.hook}\ndescription: "a hook for tests"\nmetadata: { "openclaw": { "events": ["command:new"] } }\n---\n# hook\n`,
  )
  await writeFile(join(hook, 'handler.js'), 'export default async function handler() {}\n')
  await run(['hooks', 'enable', NAMES.hook, '--agent', 'main'])

  const plugin = join(home, 'plugin-source')
  await mkdir(plugin)
  const identity = { name: NAMES.plugin, version: '0.0.1' }
  await writeFile(
    join(plugin, 'package.json'),
    JSON.stringify({ ...identity, type: 'module', openclaw: { extensions: ['./index.js'] } }),
  )
  await writeFile(
    join(plugin, 'openclaw.plugin.json'),
    JSON.stringify({
      ...identity,
      id: NAMES.plugin,
      description: 'a plugin for tests',
      configSchema: { type: 'object', additionalProperties: false, properties: {} },
    }),
  )
  await writeFile(
    join(plugin, 'index.js'),
    `export default { id: '${NAMES.plugin}', name: '${NAMES.plugin}', register() {} }\n`,
  )
  await run(['plugins', 'install', plugin, '--force', '--accept-capabilities'])
}

async function fillWorkspaces(home: string): Promise<void> {
  const desk = join(home, `desk-${NAMES.persona}`)
  for (const workspace of [join(home, '.openclaw', 'workspace'), desk]) {
    await mkdir(join(workspace, 'memory'), { recursive: true })
    await writeFile(join(workspace, 'MEMORY.md'), `# Memory\n- notes live in ${workspace}\n`)
  }
  await writeFile(
    join(desk, PATHS.workspaceFile),
    `the safe opens with ${SECRETS.workspaceSecret}\n`,
  )
  await writeFile(join(desk, 'tool.sh'), `#!/bin/sh\nexec ls ${desk}\n`)
  await chmod(join(desk, 'tool.sh'), 0o755)
  await symlink(join(desk, 'tool.sh'), join(desk, 'absolute-link.sh'))
  await symlink('tool.sh', join(desk, 'relative-link.sh'))
  await mkdir(join(desk, 'empty'))
  await writeFile(join(desk, 'half-done.tmp'), 'a user keeps this\n')
  await writeFile(join(desk, 'app.pid'), '1\n')
  await writeFile(Buffer.from(`${desk}/latin-\xe9.txt`, 'latin1'), 'not UTF-8\n')
  const noise = createHash('sha512')
  const blocks: Buffer[] = []
  for (let i = 0; i < 32_000; i++) blocks.push(noise.copy().update(String(i)).digest())
  await writeFile(join(desk, 'blob.bin'), Buffer.concat(blocks))
}

async function converse(home: string, run: Run): Promise<void> {
  const desk = join(home, `desk-${NAMES.persona}`)
  const model = await startMockModel(MODEL_PORT)
  const gateway = await startGateway(home, GATEWAY_PORT)
  try {
    await run(['approvals', 'allowlist', 'add', '--agent', NAMES.persona, `${desk}/*.sh`])
    const cron = (name: string, ...args: readonly string[]) =>
      run(['cron', 'add', '--name', name, '--no-deliver', ...args])
    await cron(
      NAMES.cronJob,
      '--cron',
      '0 8 * * *',
      '--tz',
      'Europe/Berlin',
      '--agent',
      NAMES.persona,
      '--message',
      `Write the report to ${desk}/report.md`,
    )
    await cron(
      NAMES.commandJob,
      '--every',
      '1h',
      '--agent',
      NAMES.persona,
      '--disabled',
      '--command',
      `pwd > ${desk}/swept.txt`,
      '--command-cwd',
      desk,
      '--command-env',
      `ROOT=${desk}`,
    )
    await cron(
      NAMES.oneShot,
      '--at',
      '2031-01-01T00:00:00Z',
      '--agent',
      NAMES.secondPersona,
      '--message',
      'far future',
    )
    for (const message of [`Hello, see ${desk}/a.txt`, `Remember ${SECRETS.sessionSecret}`]) {
      await run(['agent', '--agent', NAMES.persona, '--message', message, '--json'])
    }
    await run(['agent', '--agent', 'main', '--message', 'Hello main', '--json'])
  } finally {
    await gateway.stop()
    model.close()
  }
  // A comment by hand, which a move has to keep. Last, because OpenClaw's own writes drop it.
  const config = join(home, '.openclaw', 'openclaw.json')
  const text = await readFile(config, 'utf8')
  writeFileSync(config, text.replace('{', '{\n  // tuned by hand: do not lose this line'))
}
