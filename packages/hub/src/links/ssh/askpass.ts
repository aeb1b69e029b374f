/**
 * The program that ssh asks for a password, and tells the key of a host that is looked at. It holds nothing: it passes the
 * question into one pipe and the answer out of another, by builtins of the shell, so that no word is ever an argument.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export const ROOM = 'OCM_SSH_ROOM'

const TEXT = `#!/bin/sh
room=$${ROOM}
if [ $# -eq 3 ] && [ "$1" = look ]; then
  printf 'look %s %s\\0' "$2" "$3" > "$room/ask"
  exit 0
fi
printf 'ask %s\\0' "$1" > "$room/ask"
IFS= read -r word < "$room/say" && printf '%s\\n' "$word"
`

/** @returns its path, written anew at each start of the hub. */
export async function writeAskpass(data: string): Promise<string> {
  const folder = join(data, 'ssh')
  const path = join(folder, 'askpass')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(path, TEXT, { mode: 0o700 })
  await chmod(path, 0o700)
  return path
}
