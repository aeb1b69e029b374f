/** The keys of a bucket: from a file, or from the environment as every program for S3 takes them. Never from arguments. */
import { readFileSync, statSync } from 'node:fs'
import { OcmError } from '@ocm/protocol'
import type { BucketKeys } from './place.ts'

const NAMES = {
  id: 'AWS_ACCESS_KEY_ID',
  secret: 'AWS_SECRET_ACCESS_KEY',
  token: 'AWS_SESSION_TOKEN',
} as const

/** Names of variables that hold a secret. */
export const SECRET_VARIABLES = Object.values(NAMES)

/**
 * @param file lines such as `AWS_ACCESS_KEY_ID=…` or `aws_access_key_id = …`, for nobody else to read
 * @throws OcmError 'wrong-use', 'secret-file-exposed'
 */
export function readBucketKeys(file: string | undefined, env: NodeJS.ProcessEnv): BucketKeys {
  const found = file === undefined ? fromEnvironment(env) : fromFile(file)
  const [id, secret, token] = [found(NAMES.id), found(NAMES.secret), found(NAMES.token)]
  if (id === undefined || secret === undefined) {
    throw new OcmError('wrong-use', {
      what:
        `--packs-s3 needs ${NAMES.id} and ${NAMES.secret}: in the file that --packs-s3-keys names, in the ` +
        `environment, or in files that ${NAMES.id}_FILE and ${NAMES.secret}_FILE name`,
    })
  }
  return { id, secret, ...(token !== undefined && { token }) }
}

type Find = (name: string) => string | undefined

function fromFile(file: string): Find {
  const text = read(file, '--packs-s3-keys')
  if ((statSync(file).mode & 0o077) !== 0) {
    throw new OcmError('secret-file-exposed', { what: '--packs-s3-keys' })
  }
  const lines = text.split('\n').flatMap((line) => {
    const [, name, value] = /^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name.toUpperCase(), value] as const]
  })
  const values = new Map(lines)
  return (name) => values.get(name)
}

/** What a container is handed is a file that its engine guards. */
const fromEnvironment =
  (env: NodeJS.ProcessEnv): Find =>
  (name) => {
    const file = env[`${name}_FILE`]
    const value = file === undefined || file === '' ? env[name] : read(file, `${name}_FILE`).trim()
    return value === '' ? undefined : value
  }

function read(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new OcmError(
      'wrong-use',
      { what: `The file that ${what} names cannot be read` },
      { cause },
    )
  }
}
