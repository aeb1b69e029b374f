import { chmod, mkdir, mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exists, removeTree } from './disk.ts'

test('a tree is removed whole, closed directories too, and what its links point at stays', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'ocm-disk-'))
  const root = join(dir, 'tree')
  await mkdir(join(root, 'shut', 'inner'), { recursive: true })
  await mkdir(join(dir, 'outside'))
  await symlink(join(dir, 'outside'), join(root, 'shut', 'link'))
  await chmod(join(root, 'shut'), 0o500)
  await removeTree(root)
  expect([await exists(root), await exists(join(dir, 'outside'))]).toEqual([false, true])
  await removeTree(dir)
})
