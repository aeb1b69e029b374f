/** Where PostgreSQL is, with the password that opens it: never an argument, which everybody on the machine can read. */
import { readFileSync, statSync } from 'node:fs'
import { OcmError } from '@ocm/protocol'

const FILE = 'OCM_CATALOG_URL_FILE'
export const CATALOG_URL = 'OCM_CATALOG_URL'

/**
 * @param file of --catalog-url-file
 * @returns undefined for a catalog in the data directory
 * @throws OcmError 'secret-file-exposed', 'wrong-use'
 */
export function readCatalogUrl(
  file: string | undefined,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const named = file ?? env[FILE]
  const text =
    named === undefined || named === '' ? env[CATALOG_URL] : contentOf(named, file !== undefined)
  if (text === undefined || text === '') return undefined
  const url = text.trim()
  if (!/^postgres(?:ql)?:\/\/\S+$/.test(url)) {
    throw new OcmError('wrong-use', {
      what: 'The catalog is named by an address such as postgres://user:password@host/database?sslmode=verify-full',
    })
  }
  return url
}

/** What a container is handed is a file that its engine guards. */
function contentOf(path: string, isNamedByHand: boolean): string {
  const what = isNamedByHand ? '--catalog-url-file' : FILE
  try {
    const isExposed = isNamedByHand && (statSync(path).mode & 0o077) !== 0
    if (isExposed) throw new OcmError('secret-file-exposed', { what })
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof OcmError) throw cause
    throw new OcmError(
      'wrong-use',
      { what: `The file that ${what} names cannot be read` },
      { cause },
    )
  }
}
