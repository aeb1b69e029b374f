/**
 * One file that holds many: a SQLite database of its own with each file in pieces, so that a pack of any size goes through
 * little memory and a torn copy is told from a whole one. What is in it is as secret as the hub's data directory.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, renameSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { OcmError } from '@ocm/protocol'
import { syncDirectory, unfinishedName } from '../durable.ts'
import { dirname } from 'node:path'

const FORMAT = 1
const PIECE = 1024 * 1024
/** 'OCMC': tells it from every other SQLite file. */
const APPLICATION = 0x4f434d43

export interface About {
  readonly version: string
  readonly madeAt: number
  /** Where the hub's packs lay, when they are not in it. */
  readonly packs: string | null
}

/** To be closed either by `finish`, which puts the file in its place, or by `abandon`. */
export interface Writing {
  /** @param path inside the data directory */
  add(path: string, from: FileHandle): Promise<void>
  finish(): Promise<void>
  abandon(): void
}

/** @throws OcmError 'target-not-empty' */
export function writeArchive(file: string, about: About): Writing {
  const unfinished = unfinishedName(file)
  // Made before SQLite opens it: at no moment can others read it.
  closeSync(openSync(unfinished, 'wx', 0o600))
  const database = new DatabaseSync(unfinished)
  // Nobody reads it before it is whole: what counts is that it is on the disk when it gets its name.
  database.exec(`
    pragma journal_mode = off; pragma synchronous = off; pragma application_id = ${APPLICATION};
    pragma user_version = ${FORMAT};
    create table about (version text, made_at integer, packs text) strict;
    create table files (path text primary key, bytes integer, sha256 text) strict;
    create table pieces (path text, number integer, bytes blob, primary key (path, number)) strict, without rowid;
    begin`)
  database
    .prepare('insert into about values (?, ?, ?)')
    .run(about.version, about.madeAt, about.packs)
  const addFile = database.prepare('insert into files values (?, ?, ?)')
  const addPiece = database.prepare('insert into pieces values (?, ?, ?)')
  return {
    async add(path, from) {
      const hash = createHash('sha256')
      const room = Buffer.alloc(PIECE)
      let bytes = 0
      for (let number = 0; ; number++) {
        const { bytesRead } = await from.read(room, 0, PIECE, bytes)
        if (bytesRead === 0) break
        const piece = room.subarray(0, bytesRead)
        hash.update(piece)
        addPiece.run(path, number, piece)
        bytes += bytesRead
      }
      addFile.run(path, bytes, hash.digest('hex'))
    },
    async finish() {
      database.exec('commit')
      database.close()
      const handle = await open(unfinished, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
      renameSync(unfinished, file)
      await syncDirectory(dirname(file))
    },
    abandon() {
      database.close()
      rmSync(unfinished, { force: true })
    },
  }
}

export interface Reading {
  readonly about: About
  readonly paths: readonly string[]
  /** @throws OcmError 'copy-unusable' when what comes out is not what went in */
  write(path: string, to: FileHandle): Promise<void>
  close(): void
}

/** @throws OcmError 'copy-unusable' */
export function readArchive(file: string): Reading {
  const database = opened(file)
  const about = database
    .prepare('select version, made_at as madeAt, packs from about')
    .get() as unknown as About
  const files = database.prepare('select path from files order by path').all()
  const facts = database.prepare('select bytes, sha256 from files where path = ?')
  const pieces = database.prepare('select bytes from pieces where path = ? order by number')
  return {
    about: { ...about },
    paths: files.map(({ path }) => String(path)),
    async write(path, to) {
      const hash = createHash('sha256')
      let bytes = 0
      for (const { bytes: piece } of pieces.iterate(path)) {
        hash.update(piece as Uint8Array)
        await to.writeFile(piece as Uint8Array)
        bytes += (piece as Uint8Array).length
      }
      const known = facts.get(path)
      if (known?.['bytes'] !== bytes || known['sha256'] !== hash.digest('hex')) throw unusable()
    },
    close: () => database.close(),
  }
}

const unusable = (cause?: unknown) => new OcmError('copy-unusable', {}, { cause })

function opened(file: string): DatabaseSync {
  try {
    const database = new DatabaseSync(file, { readOnly: true, defensive: true })
    const value = (name: string) => Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0]
    if (value('application_id') !== APPLICATION || Number(value('user_version')) !== FORMAT) {
      database.close()
      throw new TypeError('another kind of file')
    }
    return database
  } catch (cause) {
    throw unusable(cause)
  }
}
