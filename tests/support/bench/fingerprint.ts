/** Whether a restore gave back what was there: each file that neither OpenClaw nor a database engine writes to. */
import { hash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesIn } from './change.ts'

const COMPARED = /^(?:workspace|media\/|agents\/[^/]+\/sessions\/)/

export type Fingerprint = ReadonlyMap<string, string>

const hashOf = (file: string) => hash('sha256', readFileSync(file))

export const fingerprintOf = (root: string): Fingerprint =>
  new Map(
    filesIn(root)
      .filter(({ path }) => COMPARED.test(path))
      .map(({ path }) => [path, hashOf(join(root, path))]),
  )

/** @returns the paths that are missing or are not what they were. */
export const differences = (root: string, was: Fingerprint): readonly string[] =>
  [...was].flatMap(([path, wanted]) => {
    const file = join(root, path)
    return existsSync(file) && hashOf(file) === wanted ? [] : [path]
  })
