/** When the sources are from: the one time that packages carry. */
import { spawnSync } from 'node:child_process'

/** Seconds since 1970: SOURCE_DATE_EPOCH, or of the commit; 1 January 2026 in a tree without a history. */
export function sourceDate(root: string): number {
  const told = process.env['SOURCE_DATE_EPOCH']
  if (told !== undefined) return Number(told)
  const { status, stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], {
    cwd: root,
    encoding: 'utf8',
  })
  return status === 0 && stdout.trim() !== '' ? Number(stdout) : 1_767_225_600
}
