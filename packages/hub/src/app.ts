/** Puts the hub together: the only place that knows every part. */
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Server as TlsServer } from 'node:tls'
import {
  base64url,
  fromBase64url,
  type HubLinkOptions,
  isFinal,
  OcmError,
  VERSION,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import { delegateKey } from './delegate-key.ts'
import { createEvents } from './events.ts'
import { addressesOf } from './http/addresses.ts'
import { dashboardRoutes } from './http/dashboard.ts'
import { describeRoutes, docPages } from './http/docs.ts'
import { healthRoutes } from './http/health.ts'
import { jobRoutes } from './http/jobs.ts'
import { liveRoute } from './http/live.ts'
import { metricsRoute } from './http/metrics.ts'
import { nodeRoutes } from './http/nodes.ts'
import { peopleRoutes } from './http/people.ts'
import { installRoutes, installStateRoute } from './http/install.ts'
import { releaseRoutes } from './http/releases.ts'
import { retentionRoutes } from './http/retention.ts'
import { createServer, secureContext } from './http/server.ts'
import { snapshotRoutes } from './http/snapshots.ts'
import { sshRoutes } from './http/ssh.ts'
import { vaultRoutes } from './http/vault.ts'
import { cookies as cookiesFor, whoAsks } from './http/who.ts'
import { hubIdentity, removeSetupLink, setupLink } from './identity.ts'
import { jobsAtWork, movedBetween } from './jobs/at-work.ts'
import { createRunner } from './jobs/runner.ts'
import { addBackup } from './jobs/submit.ts'
import { repair } from './keeping/collect.ts'
import { retentionState } from './keeping/policy.ts'
import { createRounds } from './keeping/rounds.ts'
import { createScrub } from './keeping/scrub.ts'
import { createLinks } from './links/links.ts'
import { createLeases } from './links/ssh/leases.ts'
import { linkRoute } from './links/websocket.ts'
import { createLog } from './log.ts'
import { createAccept } from './nodes/accept.ts'
import { adopt } from './nodes/adopt.ts'
import { createCommit } from './nodes/commit.ts'
import { createPresence } from './nodes/presence.ts'
import { createRoster } from './nodes/roster.ts'
import { createTwins } from './nodes/twins.ts'
import { createVaultKeeper } from './nodes/vault.ts'
import { createPasswords } from './people/password.ts'
import { createSessions } from './people/sessions.ts'
import { createThrottle } from './people/throttle.ts'
import { openReleases } from './releases/releases.ts'
import { createSchedules, schedulesOf } from './schedules/schedules.ts'
import { serveSession } from './session.ts'
import { openStores } from './stores.ts'
import { certificateOf } from './tls/certificate.ts'

export interface HubOptions extends Partial<Omit<Config, 'data'>> {
  readonly data: string
  /** Of the PostgreSQL that has the catalog; undefined: it is in the data directory. */
  readonly catalogUrl?: string | undefined
  /** Milliseconds since 1970; the one clock of the hub. */
  readonly now?: () => number
  readonly heartbeatMs?: number
  /** The agent's program, which nodes without one are sent. */
  readonly agentBundle?: string | undefined
  /** Path of the installer that people fetch. */
  readonly installer?: string | undefined
  readonly log?: Logger
}

export interface Hub {
  readonly fastify: FastifyInstance
  /** Where it listens. */
  readonly url: string
  /** The one-time link, while the hub is not set up. */
  readonly setupLink: string | undefined
  /** SHA-256 of a certificate that no authority vouches for. */
  readonly certificatePin: Uint8Array | undefined
  /**
   * Serves what the files of the certificate say now; connections that there are stay as they are.
   * @throws OcmError 'certificate-unusable', and goes on with the one before
   */
  reloadCertificate(): Promise<void>
  close(): Promise<void>
}

const HEARTBEAT_MS = 20_000

const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

/** @throws OcmError 'port-taken', 'catalog-failed', 'catalog-in-use', 'catalog-elsewhere', 'store-failed' */
export async function buildHub(options: HubOptions): Promise<Hub> {
  const { data, host = '127.0.0.1', port = 0, publicUrl, tls, now = Date.now } = options
  const log = options.log ?? createLog('warn')
  let closing = false
  const fault = (error: unknown) => log.error({ err: error }, 'fault')

  await mkdir(data, { recursive: true, mode: 0o700 })
  const identity = await hubIdentity(p, data)
  const readCertificate = async () =>
    tls && certificateOf(tls, { data, publicName: publicUrl?.hostname, now: now() })
  const certificate = await readCertificate()
  /** What a client that is told to pin would pin; a reload changes it. */
  const reached: { certificate?: string; insecure?: true } = {}
  const setPin = (pin: Uint8Array | undefined) => {
    if (pin === undefined) delete reached.certificate
    else reached.certificate = base64url(pin)
  }
  setPin(certificate?.pin)
  if (options.insecure) reached.insecure = true
  let catalogIsBack: (() => Promise<void>) | undefined
  const back = () => void catalogIsBack?.().catch(fault)
  const { bucket, catalogUrl } = options
  const { catalog, packs, snapshots, adopting, closeStores } = await openStores({
    data,
    bucket,
    catalogUrl,
    back,
    log,
  })
  const { people, audit, nodes, jobs, keeping, sshNodes } = catalog

  const events = createEvents()
  const { publish } = events
  const presence = createPresence()
  const links = createLinks()
  const hubKey = identity.public
  const vault = createVaultKeeper({ p, catalog: catalog.vault, packs, hubKey, now })
  // Before the old copies would take the place of newer ones, and before what looks left over is removed.
  const adopted = await adopt({
    p,
    store: packs,
    vault: catalog.vault,
    nodes,
    snapshots,
    adopting,
    now,
  })
  if (adopted.record || adopted.snapshots > 0) {
    log.warn(adopted, 'the catalog is older than the store: taken up what it holds')
  }
  await vault.load()
  await repair({ keeping, snapshots, packs })
  const commit = createCommit({ p, snapshots, packs, vault, publish, now })

  const runner = createRunner({
    p,
    jobs,
    nodes,
    snapshots,
    vault,
    presence,
    publish,
    now,
    log,
    pause,
    wanted: (node, asks) => leases.wanted(node, asks),
  })
  const rounds = createRounds({ keeping, snapshots, packs, audit, publish, now, log })
  const scrub = createScrub({
    keeping,
    packs,
    publish,
    now,
    log,
    pause,
    isBusy: async () =>
      (await jobs.unfinished()).some(({ job }) => runner.now(job).state === 'running'),
  })
  const releases = await openReleases({
    p,
    data,
    now,
    conversation: presence.get,
    atWork: async () => new Set((await jobsAtWork(jobs)).keys()),
    changed: (node) => publish({ kind: 'node-changed', node }),
    fault,
  })
  events.subscribe((event) => {
    if (event.kind === 'job-changed' && isFinal(event.job.state)) releases.look()
  })
  const roster = createRoster({
    catalog: nodes,
    snapshots,
    presence,
    vault,
    publish,
    closeLink: links.close,
    gone: runner.gone,
    lockOut: (node) => leases.lockOut(node),
    fences: jobs.fences,
    schedules: () => schedulesOf({ schedules: catalog.schedules, now }),
    twins: createTwins({
      p,
      snapshots,
      movedBetween: (one, other) => movedBetween(jobs, one, other),
    }),
    jobsAtWork: () => jobsAtWork(jobs),
    overSsh: sshNodes.all,
    update: releases.of,
  })
  const schedules = createSchedules({
    schedules: catalog.schedules,
    nodes: roster.list,
    isDelegated: async (node) => ((await sshNodes.one(node))?.delegation ?? null) !== null,
    // One that waits for its node costs nothing, and may wait for days.
    atWork: async () =>
      (await jobs.unfinished()).filter(
        ({ job, trigger }) => trigger === 'schedule' && runner.now(job).state !== 'waiting',
      ).length,
    backUp: async (node) =>
      void (await addBackup({ p, runner, now }, { node, by: 'schedule' }, 'schedule')),
    audit,
    publish,
    now,
    log,
  })
  // What was answered with an error may be done all the same: what is kept in memory is read again.
  catalogIsBack = async () => {
    if (closing) return
    log.warn('the catalog is back')
    await vault.load()
    if (vault.current()) await roster.judge()
    await runner.start()
  }
  const accept = createAccept({
    p,
    catalog: nodes,
    vault,
    audit,
    hubKey,
    now,
    heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
    enrolled(node, ticket) {
      publish({ kind: 'ticket-used', ticket, node: node.id })
      publish({ kind: 'node-changed', node: node.id })
    },
    async cloned(node) {
      log.warn({ node: node.id }, 'two machines use one identity')
      const actor = `node ${node.id}`
      await audit.note({ at: now(), actor, action: 'node-quarantined', subject: node.id })
      await roster.quarantine(node.id)
    },
    behind: (node) => log.warn({ node: node.id }, 'the catalog is older than the node'),
  })

  const onSession: HubLinkOptions['onSession'] = (session, about) =>
    serveSession(session, about, {
      nodes,
      snapshots,
      jobs,
      packs,
      commit,
      links,
      presence,
      runner,
      releases,
      schedules,
      publish,
      now,
      isClosing: () => closing,
      fault,
    })

  const clock = { now: () => performance.now(), setTimeout, clearTimeout: clearTimer }
  const delegate = await delegateKey(p, data)
  const leases = createLeases({
    p,
    clock,
    now,
    identity,
    accept,
    fault,
    onSession,
    data,
    bundle: options.agentBundle,
    nodes: sshNodes,
    delegateKeyFile: delegate.file,
    publish,
    subscribe: events.subscribe,
    jobsAtWork: () => jobsAtWork(jobs),
    isOnline: (node) => presence.get(node) !== undefined,
  })

  const link = (await people.isSetUp()) ? undefined : await setupLink(p, data)
  if (!link) await removeSetupLink(data)
  let linkOpen = link !== undefined

  const passwords = createPasswords(p)
  const sessions = createSessions(p, people, now)
  const cookies = cookiesFor(tls !== undefined || publicUrl?.protocol === 'https:')
  const server = await createServer({
    log,
    addresses: addressesOf(publicUrl, tls ? 'https' : 'http'),
    sessions,
    cookies,
    certificate,
    trustedProxies: options.trustedProxies ?? [],
  })
  await describeRoutes(server, VERSION)
  const install = { installer: options.installer, agentBundle: options.agentBundle, releases }
  installRoutes(server, install)
  healthRoutes(server, { probes: { catalog: catalog.probe, packs: packs.probe } })
  metricsRoute(server, {
    nodes: roster.list,
    unfinished: async () => (await jobs.unfinished()).map(({ job }) => runner.now(job)),
    store: keeping.packCounts,
    scrubbed: scrub.counted,
    retention: () => retentionState({ keeping, now }),
  })
  linkRoute(server, {
    p,
    clock,
    identity,
    accept,
    onSession,
    onRefused: (error, address) => log.info({ code: codeOf(error), address }, 'agent refused'),
    fault,
  })
  await server.register(
    async (api) => {
      peopleRoutes(api, {
        sessions,
        cookies,
        version: VERSION,
        reached,
        setup: {
          p,
          people,
          audit,
          passwords,
          now,
          hubKey,
          throttle: createThrottle(now, 10),
          secretHash: () => link?.hash,
          async closed() {
            linkOpen = false
            await vault.load()
            await link?.close()
          },
        },
        login: {
          people,
          audit,
          passwords,
          now,
          throttle: { pair: createThrottle(now, 5), address: createThrottle(now, 20) },
        },
      })
      vaultRoutes(api, { vault, roster, audit, now })
      nodeRoutes(api, { p, catalog: nodes, vault, presence, roster, audit, now, schedules })
      releaseRoutes(api, { releases, audit, now })
      installStateRoute(api, install)
      snapshotRoutes(api, { snapshots, nodes, packs })
      retentionRoutes(api, { keeping, snapshots, nodes, scrub, audit, publish, now })
      jobRoutes(api, { p, jobs, nodes, snapshots, vault, presence, runner, audit, now })
      sshRoutes(api, {
        presence,
        links,
        p,
        leases,
        sshNodes,
        delegateTo: delegate.public,
        roster,
        vault,
        audit,
        publish,
        now,
      })
      liveRoute(api, { events, stillAllowed: (request) => whoAsks(request, sessions, cookies) })
    },
    { prefix: '/api' },
  )
  await docPages(server, options.apiDocs)
  await dashboardRoutes(server, options.ui)

  const close = async () => {
    closing = true
    await leases.stop()
    links.closeAll('hub-stopping')
    await schedules.stop()
    releases.stop()
    await runner.stop()
    await scrub.stop()
    await rounds.stop()
    await server.close()
    await closeStores()
  }
  let url: string
  try {
    // A catalog that was set back may let in whom the newest record revokes.
    if (vault.current()) await roster.judge()
    url = await server.listen({ host, port })
    await runner.start()
    rounds.start()
    schedules.start()
    scrub.start()
  } catch (cause) {
    await close()
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new OcmError('port-taken', { port }, { cause })
    }
    throw cause
  }
  const shown = publicUrl?.href.replace(/\/$/, '') ?? url
  return {
    fastify: server,
    url,
    get setupLink() {
      return linkOpen && link ? `${shown}/setup#${link.secret}` : undefined
    },
    get certificatePin() {
      return reached.certificate === undefined ? undefined : fromBase64url(reached.certificate)
    },
    async reloadCertificate() {
      const served = await readCertificate()
      if (!served) return
      const { server: listener } = server as unknown as { server: TlsServer }
      listener.setSecureContext(secureContext(served))
      setPin(served.pin)
    },
    close,
  }
}

const clearTimer = (timer: unknown) => clearTimeout(timer as NodeJS.Timeout)
const codeOf = (error: unknown) => (error instanceof OcmError ? error.code : 'internal')
