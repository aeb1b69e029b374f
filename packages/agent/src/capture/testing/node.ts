/** A small node for tests: real files, a real database, an installation that says what belongs to it. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type Entry,
  type Inventory,
  type Manifest,
  OcmError,
  type OpenerOf,
  type PackId,
  Packs,
  type Vault,
  createVault,
  decodeRoot,
  openManifestRoot,
  openerByVault,
  readEntry,
  readManifest,
} from '@ocm/protocol'
import { nodePrimitives as p } from '@ocm/protocol/node'
import type {
  Captured,
  DatabaseSource,
  FoundThing,
  Installation,
  Placement,
  Survey,
} from '../../installation.port.ts'
import { type Identity, createIdentity } from '../../store/identity.ts'
import type { CaptureParts } from '../parts.ts'
import { MemoryHub } from './hub.ts'

let jobs = 0
export const newJob = (): string => (++jobs).toString(16).padStart(32, '0')

export const noise = (bytes: number): Buffer => Buffer.from(p.random(bytes))

export const nameOf = (entry: Pick<Entry, 'root' | 'path'>): string =>
  `${entry.root}:${Buffer.from(entry.path).toString('latin1')}`

export const placed = (
  section: Placement['section'],
  packClass: Placement['class'] = 'state',
): Placement => ({ section, class: packClass, travel: 'always' })

export class SmallNode {
  readonly id = '11'.repeat(16)
  readonly vault: Vault = createVault(p)
  readonly dir: string
  readonly state: string
  readonly agentState: string
  readonly identity: Identity
  hub: MemoryHub

  private constructor(dir: string, identity: Identity) {
    this.dir = dir
    this.state = join(dir, 'home', 'state')
    this.agentState = join(this.state, 'ocm')
    this.identity = identity
    this.hub = new MemoryHub(identity.key.public)
  }

  static async create(): Promise<SmallNode> {
    const dir = mkdtempSync(join(tmpdir(), 'ocm-capture-'))
    const agentState = join(dir, 'home', 'state', 'ocm')
    mkdirSync(agentState, { recursive: true, mode: 0o700 })
    return new SmallNode(dir, await createIdentity(p, agentState))
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }

  /** The agent starts with nothing but its keys, before a hub that has nothing. */
  forget(): void {
    rmSync(this.agentState, { recursive: true })
    mkdirSync(this.agentState, { mode: 0o700 })
    this.hub = new MemoryHub(this.identity.key.public)
  }

  parts(more: Partial<CaptureParts> = {}): CaptureParts {
    return {
      p,
      installation: this.installation(),
      hub: this.hub,
      stateDir: this.agentState,
      node: this.id,
      identity: this.identity,
      record: {
        v: 1,
        vault: this.vault.id,
        serial: 1,
        epoch: this.vault.epoch,
        sealing: this.vault.sealing.public,
        operators: [],
        hubs: [],
        nodes: [],
        revoked: [],
        at: 0,
      },
      agentVersion: '0.1.0',
      now: () => 1_764_000_000_000,
      ...more,
    }
  }

  /** A database, a workspace inside the state and a file outside of it. */
  installation(
    more: {
      readonly classify?: Survey['classify']
      readonly database?: (source: DatabaseSource) => void
      readonly examine?: (captured: Captured) => void | Promise<void>
    } = {},
  ): Pick<Installation, 'survey' | 'examine'> {
    const workspace = join(this.state, 'ws')
    const notes = join(this.dir, 'home', 'notes.txt')
    const { state } = this
    const survey: Survey = {
      layout: {
        platform: 'linux',
        hostname: 'one',
        user: 'ada',
        uid: 1000,
        roots: {
          home: join(this.dir, 'home'),
          state: this.state,
          'workspace:main': workspace,
          'extra:notes': notes,
        },
        port: 18_789,
        versions: { openclaw: '1.2.3', schemas: { state: 4 }, node: '24', agent: '0.1.0' },
      },
      trees: [
        { root: 'state', absolute: this.state, kind: 'directory' },
        { root: 'workspace:main', absolute: workspace, kind: 'directory' },
        { root: 'extra:notes', absolute: notes, kind: 'file' },
      ],
      marks: [],
      warnings: [{ code: 'survey', detail: 'one' }],
      classify(place, kind) {
        if (place.path === 'cache') return { omit: 'regenerable' }
        return more.classify ? more.classify(place, kind) : placementOf(place.root, place.path)
      },
      separate(found) {
        const place = { root: 'state', path: 'main.db' }
        const absolute = join(state, place.path)
        const isPart = ({ place: { root, path } }: FoundThing) =>
          root === place.root && path.startsWith(place.path)
        return {
          databases: [{ ...placed('history'), place, absolute, role: 'state' }],
          others: found.filter((one) => !isPart(one)),
          warnings: [],
        }
      },
    }
    return {
      survey: () => Promise.resolve(survey),
      async examine(captured) {
        for await (const { source } of captured.databases) more.database?.(source)
        await more.examine?.(captured)
        return {
          mentions: [],
          holdings: [],
          config: {},
          inventory: INVENTORY,
          warnings: [],
          remember: new Uint8Array(),
        }
      },
    }
  }

  /** A path in the state, for node:fs. */
  at(name: string | Uint8Array): Buffer {
    return Buffer.concat([Buffer.from(`${this.state}/`), Buffer.from(name)])
  }

  /** Everything a disk can hold that a careless program does not expect. */
  fill(): void {
    writeFileSync(this.at('config'), '{ "port": 1 }', { mode: 0o640 })
    writeFileSync(this.at('.env'), 'KEY=planted-secret-1234\n', { mode: 0o600 })
    writeFileSync(this.at('empty'), '')
    writeFileSync(this.at('run-me'), '#!/bin/sh\n')
    chmodSync(this.at('run-me'), 0o4755)
    writeFileSync(this.at('shut'), 'read only', { mode: 0o400 })
    writeFileSync(this.at('a name\nwith a line'), 'odd')
    writeFileSync(this.at(Uint8Array.of(0x66, 0xff, 0xfe, 0x2e)), 'not UTF-8')
    writeFileSync(this.at('größe-\u{1f980}'), 'unicode')
    writeFileSync(this.at('\u00e9'), 'composed')
    writeFileSync(this.at('e\u0301'), 'decomposed')
    writeFileSync(this.at('exactly'), noise(256 * 1024))
    writeFileSync(this.at('one-more'), noise(256 * 1024 + 1))
    writeFileSync(this.at('large'), noise(3_000_000))
    writeFileSync(this.at('zeros'), Buffer.alloc(2_000_000))
    mkdirSync(this.at('nothing in here'), { mode: 0o700 })
    mkdirSync(this.at('cache'))
    writeFileSync(this.at('cache/made-anew'), 'x')
    symlinkSync('config', this.at('link'))
    symlinkSync('/nowhere/at/all', this.at('dangling'))
    symlinkSync(Buffer.from([0x2e, 0x2f, 0xfd]), this.at('odd-link'))
    symlinkSync('.', this.at('loop'))
    execFileSync('mkfifo', [`${this.state}/pipe`])
    mkdirSync(this.at('ws/deep/deeper'), { recursive: true })
    writeFileSync(this.at('ws/deep/deeper/page.md'), '# planted-title')
    writeFileSync(this.at('ws/.env'), 'of the workspace')
    writeFileSync(join(this.dir, 'home', 'notes.txt'), 'outside')
    utimesSync(this.at('config'), 1_700_000_000, 1_700_000_000.123)
    const database = this.database()
    database.exec(`PRAGMA journal_mode = WAL; CREATE TABLE t (x);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
      INSERT INTO t SELECT hex(randomblob(1000)) FROM n`)
    database.close()
  }

  database(): DatabaseSync {
    return new DatabaseSync(join(this.state, 'main.db'))
  }

  /** The packs of a snapshot, the newest one by itself. */
  packs(header = this.hub.newest, openerOf?: OpenerOf): Packs {
    const root = decodeRoot(openManifestRoot(p, this.vault.sealing, header))
    return new Packs(p, root, this.fetch, openerOf ?? this.opener())
  }

  readonly fetch = (id: PackId, offset: number, length: number): Promise<Uint8Array> => {
    const bytes = this.hub.packs.get(id)
    if (!bytes) throw new OcmError('pack-missing', { pack: id })
    return Promise.resolve(bytes.slice(offset, offset + length))
  }

  opener({ node } = this.hub.newest): OpenerOf {
    return openerByVault({ sealing: this.vault.sealing, node })
  }

  /** What the newest snapshot holds otherwise than it lies on the disk; nothing, if all is well. */
  async differences(openerOf?: OpenerOf): Promise<readonly string[]> {
    const packs = this.packs(this.hub.newest, openerOf)
    const manifest = await readManifest(packs)
    const found: string[] = []
    for (const entry of manifest.entries) {
      const path = pathOf(manifest, entry)
      const stats = lstatSync(path)
      const isSame =
        entry.mode === (stats.mode & 0o7777) &&
        Math.abs(entry.modifiedAt - stats.mtimeMs) < 0.01 &&
        (await sameContent(packs, entry, path))
      if (!isSame) found.push(nameOf(entry))
    }
    return found
  }
}

const placementOf = (root: string, path: string): Placement => {
  if (root === 'workspace:main') return { ...placed('workspaces', 'bulk'), persona: 'main' }
  return path.startsWith('.env') ? placed('environment', 'secret') : placed('gateway')
}

const INVENTORY: Inventory = {
  personas: ['main'],
  cron: [],
  authProfiles: [],
  plugins: [],
  skills: [],
  channels: [],
  pairings: 2,
  sessions: { main: ['a', 'b'] },
}

function pathOf(manifest: Manifest, entry: Entry): Buffer {
  const root = Buffer.from(manifest.layout.roots[entry.root] as string)
  return entry.path.length === 0 ? root : Buffer.concat([root, Buffer.from('/'), entry.path])
}

export async function contentOf(packs: Packs, entry: Entry): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of readEntry(packs, entry)) parts.push(part)
  return Buffer.concat(parts)
}

async function sameContent(packs: Packs, entry: Entry, path: Buffer): Promise<boolean> {
  switch (entry.kind) {
    case 'directory':
      return true
    case 'link':
      return readlinkSync(path, { encoding: 'buffer' }).equals(entry.target ?? new Uint8Array(0))
    case 'file':
    case 'database':
      return (await contentOf(packs, entry)).equals(readFileSync(path))
  }
}
