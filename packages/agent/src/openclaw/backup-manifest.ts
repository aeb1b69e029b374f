/** `manifest.json` of an archive that `openclaw backup create` makes, read and written. */
import path from 'node:path'
import { type ArchiveOrigin, type Layout, OcmError } from '@ocm/protocol'
import { personaId } from './personas.ts'
import { isTree, textAt, treeAt } from './tree.ts'

export const MANIFEST_MAX_BYTES = 1024 * 1024

/** Where in an archive what lay at an absolute path is. */
export const archivePathOf = (archiveRoot: string, absolute: string): string =>
  `${archiveRoot}/payload/posix${absolute}`

/** The absolute path that a path of an archive stands for; undefined for one that stands for none. */
export function sourcePathOf(archiveRoot: string, inArchive: string): string | undefined {
  const below = `${archiveRoot}/payload/posix/`
  return inArchive.startsWith(below) ? inArchive.slice(below.length - 1) : undefined
}

export const isManifest = (inArchive: string): boolean => /^[^/]+\/manifest\.json$/.test(inArchive)

export interface ReadBackup {
  readonly archiveRoot: string
  /** Absolute paths of what it holds, each file or directory by itself. */
  readonly assets: readonly string[]
  readonly origin: ArchiveOrigin
}

const refused = (why: string, cause?: unknown) =>
  new OcmError('archive-refused', { why }, { cause })

/**
 * @throws OcmError 'archive-refused'
 */
export function readBackupManifest(text: string): ReadBackup {
  let manifest: unknown
  try {
    manifest = JSON.parse(text)
  } catch (cause) {
    throw refused('its manifest is no JSON', cause)
  }
  if (!isTree(manifest)) throw refused('its manifest is none')
  if (manifest['schemaVersion'] !== 1) throw refused('its manifest is of another version')
  const archiveRoot = textAt(manifest, 'archiveRoot') ?? ''
  if (!/^[^/\\\0]{1,200}$/.test(archiveRoot) || /^\.{1,2}$/.test(archiveRoot)) {
    throw refused('its manifest names no root')
  }
  if (textAt(manifest, 'platform') === 'win32') throw refused('it is of a Windows machine')
  const listed = manifest['assets']
  const assets = (Array.isArray(listed) ? listed : []).map((asset) => {
    const source = plainPath(textAt(asset, 'sourcePath'))
    if (textAt(asset, 'archivePath') !== archivePathOf(archiveRoot, source)) {
      throw refused('its manifest says of something that it is elsewhere')
    }
    return { kind: textAt(asset, 'kind') ?? '', source }
  })
  const states = assets.filter(({ kind }) => kind === 'state').map(({ source }) => source)
  const [stateDir] = states
  if (stateDir === undefined || states.length > 1) throw refused('it has no state directory in it')
  const paths = treeAt(manifest, 'paths')
  const configPath = plainPath(textAt(paths, 'configPath') ?? path.join(stateDir, 'openclaw.json'))
  return {
    archiveRoot,
    assets: assets.map(({ source }) => source),
    origin: {
      layout: layoutOf(manifest, stateDir),
      configPath,
      createdAt: (textAt(manifest, 'createdAt') ?? '').slice(0, 40),
    },
  }
}

function layoutOf(manifest: Readonly<Record<string, unknown>>, stateDir: string): Layout {
  // Our own archives say more than OpenClaw's.
  const ours = treeAt(manifest, 'ocm')
  const said = textAt(ours, 'home')
  const uid = Number(ours['uid'] ?? 0)
  return {
    platform: (textAt(manifest, 'platform') ?? 'linux').slice(0, 16),
    hostname: (textAt(ours, 'hostname') ?? '').slice(0, 255),
    user: (textAt(ours, 'user') ?? '').slice(0, 255),
    uid: Number.isSafeInteger(uid) && uid >= 0 ? uid : 0,
    roots: { home: said === undefined ? homeAround(stateDir) : plainPath(said), state: stateDir },
    port: 0,
    versions: {
      openclaw: (textAt(manifest, 'runtimeVersion') || 'unknown').slice(0, 32),
      schemas: {},
      node: (textAt(manifest, 'nodeVersion') ?? '').replace(/^v/, '').slice(0, 32),
      agent: '',
    },
  }
}

/** The usual state directory lies in the home by a name of its own; one that lies elsewhere has been put there on purpose. */
function homeAround(stateDir: string): string {
  const parent = path.dirname(stateDir)
  return parent === '/' ? stateDir : parent
}

/** @throws OcmError 'archive-refused' */
function plainPath(given: string | undefined): string {
  const isPlain =
    given !== undefined &&
    given.length <= 4096 &&
    given.startsWith('/') &&
    given !== '/' &&
    !given.includes('\0') &&
    path.posix.normalize(given) === given &&
    !given.endsWith('/')
  if (!isPlain) throw refused('its manifest names a path that is none')
  return given
}

export interface BackupWish {
  readonly archiveRoot: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly layout: Layout
  /** What is in it, outermost only. */
  readonly assets: readonly { readonly root: string; readonly absolute: string }[]
  /** Absolute paths of the personas' own directories that are in it. */
  readonly personas: readonly { readonly id: string; readonly absolute: string }[]
  /** Links that lead out of the state directory. */
  readonly links: readonly { readonly entryPath: string; readonly linkpath: string }[]
  readonly snapshot: string
}

/** `2026-11-25T16-30-00.000Z-openclaw-backup`, as OpenClaw calls it. */
export const archiveRootAt = (createdAt: number): string =>
  `${new Date(createdAt).toISOString().replaceAll(':', '-')}-openclaw-backup`

export function writeBackupManifest(wish: BackupWish): string {
  const { layout, archiveRoot } = wish
  const { state = '', home } = layout.roots
  const workspaces = Object.entries(layout.roots).filter(([root]) => root.startsWith('workspace:'))
  const seen = new Set<string>()
  const agentRoots = wish.personas.flatMap(({ id, absolute: sourcePath }) => {
    if (personaId(id) !== id || seen.has(id) || seen.has(sourcePath)) return []
    seen.add(id).add(sourcePath)
    return [{ agentId: id, sourcePath }]
  })
  const manifest = {
    schemaVersion: 1,
    createdAt: new Date(wish.createdAt).toISOString(),
    archiveRoot,
    runtimeVersion: layout.versions.openclaw,
    platform: layout.platform,
    nodeVersion: layout.versions.node,
    options: { includeWorkspace: true, onlyConfig: false },
    paths: {
      stateDir: state,
      configPath: path.join(state, 'openclaw.json'),
      oauthDir: path.join(state, 'credentials'),
      workspaceDirs: [...new Set(workspaces.map(([, at]) => at))],
      agentRoots,
    },
    assets: wish.assets.map(({ root, absolute: sourcePath }) => ({
      kind: kindOf(root),
      sourcePath,
      archivePath: archivePathOf(archiveRoot, sourcePath),
    })),
    skipped: [],
    externalSymbolicLinks: wish.links,
    // What OpenClaw passes over, and `ocm import` asks for.
    ocm: {
      snapshot: wish.snapshot,
      home,
      hostname: layout.hostname,
      user: layout.user,
      uid: layout.uid,
    },
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`
}

function kindOf(root: string): string {
  if (root === 'state') return 'state'
  if (root.startsWith('workspace:')) return 'workspace'
  if (root.startsWith('extra:persona-')) return 'agent'
  if (root.startsWith('extra:config-')) return 'config'
  return root.startsWith('extra:credentials') ? 'credentials' : 'workspace'
}
