/** The reader in Python that was written from docs/format.md: how tests run it, and whether this machine can. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PYTHON = '/usr/bin/python3'
const READER = fileURLToPath(new URL('../../docs/read_store.py', import.meta.url))
const VECTORS = fileURLToPath(new URL('../../docs/vectors/check.py', import.meta.url))

export interface Said {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function python(args: readonly string[], input = ''): Said {
  const { status, stdout, stderr, error } = spawnSync(PYTHON, args, {
    input,
    encoding: 'utf8',
    env: { LANG: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1' },
  })
  if (error) throw error
  return { code: status, out: stdout, err: stderr }
}

/** What it needs and is not here; nothing, if it can run. */
export function missingForReader(): readonly string[] {
  const modules = { cryptography: 'cryptography', argon2: 'argon2', zstandard: 'zstandard' }
  const tried = spawnSync(PYTHON, ['-c', '0'])
  if (tried.error) return ['python3']
  return Object.entries(modules)
    .filter(([module]) => python(['-c', `import ${module}`]).code !== 0)
    .map(([, name]) => `python3-${name}`)
}

/** @param opens the vault passphrase or the recovery code. */
export const readStore = (opens: string, ...args: readonly string[]): Said =>
  python([READER, ...args], `${opens}\n`)

/** docs/vectors/ against that reader and against what the page says of writers. */
export const checkVectors = (): Said => python([VECTORS])
