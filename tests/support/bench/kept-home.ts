/** A populated home that the tests of whole systems have left, to take OpenClaw's own schemas from. Read alone. */
import { existsSync, globSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** @returns undefined when those tests have not run here. */
export function keptHome(): string | undefined {
  const kept = join(tmpdir(), `ocm-e2e-${process.getuid?.() ?? 0}`, 'kept')
  return globSync(`${kept}/*`)
    .filter((home) => /\/[0-9a-f]{12}$/.test(home))
    .filter((home) => existsSync(join(home, '.openclaw', 'state', 'openclaw.sqlite')))
    .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0]
}
