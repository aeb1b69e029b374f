/** `ocm-hub`: reads options, starts the hub, and says to people where it is. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { OcmError, writeCertificatePin } from '@ocm/protocol'
import { Command } from 'commander'
import { buildHub } from './app.ts'
import { configFrom, type ServeOptions } from './config.ts'
import { createLog } from './log.ts'

/** Bundled, the dashboard and the API's pages lie beside this file; from source, in dist. */
function builtDirectory(name: string): string | undefined {
  const places = [`./${name}`, `../../../dist/${name}`]
  return places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(`${path}/index.html`))
}

async function serve(options: ServeOptions): Promise<void> {
  process.umask(0o077)
  const log = createLog(process.env['OCM_LOG'] ?? 'info')
  const config = configFrom(options, {
    ui: builtDirectory('ui'),
    apiDocs: builtDirectory('api-docs'),
  })
  const hub = await buildHub({ ...config, log })
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
      void hub.close().then(() => process.exit(0), fail)
    })
  }
}

function fail(error: unknown): void {
  if (error instanceof OcmError) console.error(`${error.message}\n${error.next}`)
  else console.error(error)
  process.exitCode = error instanceof OcmError && error.code === 'wrong-use' ? 2 : 1
}

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
  .option('--insecure-http', 'listen beyond loopback without TLS')
  .action((options: ServeOptions) => serve(options))

try {
  await program.parseAsync()
} catch (error) {
  fail(error)
}
