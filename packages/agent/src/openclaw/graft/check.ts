/** Asks this machine's OpenClaw whether it would take what is live with the grafted files in it. */
import { lstatSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { isWithin, pathFromBytes, pathToBytes } from '@ocm/protocol'
import type { GraftRequest, Grafted, Staged } from '../../installation.port.ts'
import type { Located } from '../layout.ts'
import { validateStaged } from '../validate.ts'

export async function checkGraft(
  { staged, graft, into }: GraftRequest,
  grafted: Grafted,
  { where, config }: Located,
  bin: string | null,
): Promise<void> {
  const fresh = new Map(grafted.files.map((file) => [file.absolute, file.fresh]))
  // What parts are only taken from is not to be there: the live files are.
  const carried = staged.files.filter(({ absolute }) =>
    graft.carried.some(({ to }) => isWithin(to, absolute)),
  )
  const live = [
    ...config.files,
    ...['.env', 'secrets.json'].map((name) => path.join(where.state, name)),
    ...filesBelow(path.join(where.state, 'extensions')),
    ...filesBelow(path.join(where.state, 'hooks')),
  ]
  const known = new Set(carried.map(({ absolute }) => absolute))
  const files: Staged['files'][number][] = [
    ...carried,
    ...[...new Set([...live, ...fresh.keys()])]
      .filter((absolute) => !known.has(absolute) && isFile(fresh.get(absolute) ?? absolute))
      .map((absolute) => ({
        absolute,
        kind: absolute.endsWith('.sqlite') ? ('database' as const) : ('file' as const),
        section: 'gateway' as const,
      })),
  ]
  await validateStaged(
    {
      ...staged,
      files,
      at(absolute) {
        // Where the copy that is shown is made.
        if (absolute === where.state) return path.join(into, 'shown')
        const own = fresh.get(absolute)
        if (own !== undefined) return own
        return known.has(absolute) ? staged.at(absolute) : absolute
      },
    },
    bin,
  )
}

const isFile = (absolute: string) =>
  lstatSync(Buffer.from(pathToBytes(absolute)), { throwIfNoEntry: false })?.isFile() ?? false

const MAX_FILES = 5000

/** Plugins say what may stand in the configuration; what they are made of does not matter to it. */
function filesBelow(directory: string): readonly string[] {
  const found: string[] = []
  const open = [directory]
  for (let here = open.pop(); here !== undefined && found.length < MAX_FILES; here = open.pop()) {
    const at = Buffer.from(pathToBytes(here))
    if (!(lstatSync(at, { throwIfNoEntry: false })?.isDirectory() ?? false)) continue
    for (const entry of readdirSync(at, { encoding: 'buffer', withFileTypes: true })) {
      const below = `${here}/${pathFromBytes(entry.name)}`
      if (entry.isFile()) found.push(below)
      else if (entry.isDirectory() && below.split('/').at(-1) !== 'node_modules') open.push(below)
    }
  }
  return found
}
