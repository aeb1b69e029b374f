/** What `${VAR}` in a path of the configuration stands for, as far as files can tell. */
import path from 'node:path'
import { type ReadFile, readFromDisk } from './config.ts'
import type { Where } from './discovery.ts'
import { type Tree, treeAt } from './tree.ts'

export type Variables = ReadonlyMap<string, string>

/** In OpenClaw's order: the process, the state directory's `.env`, the account's, then the configuration's own. */
export function variablesOf(where: Where, tree: Tree, read: ReadFile = readFromDisk): Variables {
  const variables = new Map<string, string>()
  const add = (name: string, value: unknown) => {
    if (typeof value === 'string' && !variables.has(name)) variables.set(name, value)
  }
  add('HOME', where.home)
  for (const [name, value] of Object.entries(where.env)) add(name, value)
  const files = [
    path.join(where.state, '.env'),
    path.join(where.home, '.config/openclaw/gateway.env'),
  ]
  for (const file of files) {
    const bytes = read(file)
    if (bytes === undefined) continue
    for (const [name, value] of assignmentsIn(new TextDecoder().decode(bytes))) add(name, value)
  }
  for (const [name, value] of Object.entries(treeAt(tree, 'env.vars'))) add(name, value)
  return variables
}

/** A name that stands for nothing stays as it is written, which is what OpenClaw does too. */
export const expand = (text: string, variables: Variables): string =>
  text.replace(/(\$?)\$\{([A-Z_][A-Z0-9_]*)\}/g, (whole, escaped: string, name: string) =>
    escaped === '' ? (variables.get(name) ?? whole) : whole.slice(1),
  )

/** The assignments of a dotenv text, in order. */
export function assignmentsIn(text: string): readonly (readonly [string, string])[] {
  const found: (readonly [string, string])[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*$/.exec(line)
    if (match === null) continue
    const [, name = '', raw = ''] = match
    const quoted = /^(["'`])(.*)\1(?:\s+#.*)?$/.exec(raw)
    found.push([name, quoted === null ? raw.replace(/\s+#.*$/, '') : (quoted[2] ?? '')])
  }
  return found
}
