/** `ocm-hub`: reads options, starts the hub, and says to people where it is. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OcmError, writeCertificatePin } from '@ocm/protocol'
import { Command } from 'commander'
import { buildHub } from './app.ts'
import { CATALOG_URL, readCatalogUrl } from './catalog-url.ts'
import { configFrom, type ServeOptions } from './config.ts'
import { backupHub } from './copies/backup.ts'
import { restoreHub } from './copies/restore.ts'
import { createLog } from './log.ts'
import { SECRET_VARIABLES } from './packs/s3/keys.ts'
import { serviceManager } from './service-manager.ts'

/** Bundled, the dashboard, the API's pages and the agent's program lie beside this file; from source, in dist. */
function built(name: string, look = ''): string | undefined {
  const places = [`./${name}`, `../../../dist/${name}`]
  return places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(`${path}${look}`))
}

const builtDirectory = (name: string) => built(name, '/index.html')

interface CatalogOptions {
  readonly catalogUrlFile?: string
}
interface BackupOptions extends CatalogOptions {
  readonly data: string
  readonly withPacks?: true
}
interface RestoreOptions extends CatalogOptions {
  readonly data: string
  readonly packs?: string
}

async function serve(options: ServeOptions & CatalogOptions): Promise<void> {
  process.umask(0o077)
  const log = createLog(process.env['OCM_LOG'] ?? 'info')
  const manager = serviceManager(process.env, (error) => log.error({ err: error }, 'fault'))
  const config = configFrom(
    options,
    { ui: builtDirectory('ui'), apiDocs: builtDirectory('api-docs') },
    process.env,
  )
  // Known from here on to who signs with them, and not to what is started from here.
  const catalogUrl = readCatalogUrl(options.catalogUrlFile, process.env)
  for (const name of [...SECRET_VARIABLES, CATALOG_URL]) delete process.env[name]
  // Beside the hub where it is installed, in deploy/ of the sources.
  const installer = built('install-agent.sh') ?? built('../deploy/install-agent.sh')
  const agentBundle = built('ocm-agent.mjs')
  const hub = await buildHub({ ...config, catalogUrl, agentBundle, installer, log })
  console.log(`OCM hub: ${config.publicUrl?.href ?? hub.url}`)
  if (hub.certificatePin !== undefined) {
    console.log(`Its certificate is its own: SHA-256 ${writeCertificatePin(hub.certificatePin)}`)
  }
  if (config.insecure) {
    console.log('Without TLS: whoever is on the way can read and change what is sent.')
  }
  if (hub.setupLink !== undefined) {
    console.log(`Set it up (this link works once): ${hub.setupLink}`)
  }
  manager.ready()
  process.on('SIGHUP', () => {
    hub.reloadCertificate().then(
      () => log.info('certificate read again'),
      (error: unknown) => log.error({ err: error }, 'certificate not read again'),
    )
  })
  let closing = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (closing) return
      closing = true
      manager.stopping()
      void hub.close().then(() => process.exit(0), fail)
    })
  }
}

function fail(error: unknown): void {
  if (error instanceof OcmError) console.error(`${error.message}\n${error.next}`)
  else console.error(error)
  process.exitCode = error instanceof OcmError && error.code === 'wrong-use' ? 2 : 1
}

const CATALOG_OPTION = [
  '--catalog-url-file <file>',
  'holds the postgres:// address of the PostgreSQL that has the catalog; else the data directory has it',
] as const

const program = new Command('ocm-hub').description('The server of OCM')
program
  .command('serve')
  .description('run the hub')
  .option('--data <dir>', 'where everything is kept', './data')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <number>', 'port to listen on', '8001')
  .option('--public-url <url>', 'how people and nodes reach it, behind a proxy')
  .option('--tls <how>', "own: with --tls-cert and --tls-key; self: a certificate of the hub's own")
  .option('--tls-cert <file>', 'PEM, read again at SIGHUP')
  .option('--tls-key <file>', 'PEM')
  .option(
    '--trusted-proxy <address>',
    'whose X-Forwarded-For is believed; an address or a network, may be repeated',
    (value: string, before: readonly string[] = []) => [...before, value],
  )
  .option(...CATALOG_OPTION)
  .option('--packs-s3 <url>', 'keep packs in a bucket: https://host:port/bucket/prefix')
  .option('--packs-s3-region <name>', 'of the bucket (AWS_REGION, or us-east-1)')
  .option(
    '--packs-s3-keys <file>',
    'AWS_ACCESS_KEY_ID=… and AWS_SECRET_ACCESS_KEY=…; without it from the environment',
  )
  .option('--insecure-http', 'listen beyond loopback without TLS')
  .action((options: ServeOptions & CatalogOptions) => serve(options))

program
  .command('backup')
  .description(
    'copy the hub into one file, also while it runs; whoever has it can pass for this hub',
  )
  .argument('<file>', 'must not be there yet')
  .option('--data <dir>', 'where everything is kept', './data')
  .option('--with-packs', 'the sealed backups too, which are most of the bytes')
  .option(...CATALOG_OPTION)
  .action(async (file: string, options: BackupOptions) => {
    const { data, catalogUrlFile, withPacks = false } = options
    const catalogUrl = readCatalogUrl(catalogUrlFile, process.env)
    const wish = {
      data: resolve(data),
      file: resolve(file),
      catalogUrl,
      withPacks,
      now: Date.now(),
    }
    const { files, packs, elsewhere } = await backupHub(wish)
    console.log(
      `Copied ${files} files to ${file}${withPacks ? `, ${packs} packs among them` : ''}.`,
    )
    if (elsewhere !== null) {
      console.log(`Not in it: the packs in ${elsewhere}. Copy them by themselves.`)
    }
  })

program
  .command('restore')
  .description('make a data directory out of a copy')
  .argument('<file>', 'what `ocm-hub backup` made')
  .option('--data <dir>', 'empty or not there yet', './data')
  .option('--packs <dir>', 'where the packs lie, if they are not in the copy')
  .option(...CATALOG_OPTION)
  .action(async (file: string, { data, packs, catalogUrlFile }: RestoreOptions) => {
    const catalogUrl = readCatalogUrl(catalogUrlFile, process.env)
    const wish = { file: resolve(file), data: resolve(data), catalogUrl }
    const done = await restoreHub(packs === undefined ? wish : { ...wish, packs })
    console.log(`${done.files} files of ${new Date(done.madeAt).toISOString()} are in ${data}.`)
    if (done.bucket !== undefined) {
      console.log(`Its packs are in ${done.bucket}: start it with --packs-s3 and that address.`)
    }
    if (done.missing > 0) {
      const where = done.packs === null ? '' : ` They lay in ${done.packs}.`
      console.log(`${done.missing} packs are not there.${where}`)
      console.log('Name their directory with --packs, or move it to `packs` before the hub starts.')
    }
  })

try {
  await program.parseAsync()
} catch (error) {
  fail(error)
}
