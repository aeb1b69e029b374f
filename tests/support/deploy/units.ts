/** What a unit starts, the way systemd reads it: enough of it for the units of deploy/. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Started {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** @param env what systemd would set besides, as STATE_DIRECTORY. */
export function startedBy(
  root: string,
  unit: string,
  env: Readonly<Record<string, string>>,
): Started {
  const text = readFileSync(join(root, unit), 'utf8')
  const all = { ...env }
  for (const [, path = ''] of text.matchAll(/^EnvironmentFile=-?(.*)$/gm)) {
    if (!existsSync(join(root, path))) continue
    for (const [, name = '', value = ''] of readFileSync(join(root, path), 'utf8').matchAll(
      /^(\w+)="?([^"\n]*)"?$/gm,
    )) {
      all[name] = value
    }
  }
  const line = /^ExecStart=(.*)$/m.exec(text)?.[1] ?? ''
  const command = line.split(' ').flatMap((word) => {
    const alone = /^\$(\w+)$/.exec(word)?.[1]
    // A variable by itself is as many words as it has, none of them included.
    if (alone !== undefined) return (all[alone] ?? '').split(' ').filter((part) => part !== '')
    return [word.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => all[name] ?? '')]
  })
  return { command, env: all }
}
