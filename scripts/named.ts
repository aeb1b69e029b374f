/** `npm run bench -- NAME …` and `npm run proof -- NAME …`: runs tests/bench/NAME.ts or tests/proof/NAME.ts. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

const [kind, name, ...options] = process.argv.slice(2)
const folder = fileURLToPath(new URL(`../tests/${kind}/`, import.meta.url))

if (name !== undefined && /^[\w-]+$/.test(name) && existsSync(`${folder}${name}.ts`)) {
  const { status } = spawnSync(process.execPath, [`${folder}${name}.ts`, ...options], {
    stdio: 'inherit',
  })
  process.exitCode = status ?? 1
} else {
  const names = globSync(`${folder}*.ts`).map((path) => basename(path, '.ts'))
  if (name !== undefined) console.error(`There is no ${kind} named ${name}.`)
  console.log(
    `npm run ${kind} -- NAME [options]\n${names
      .toSorted()
      .map((n) => `  ${n}\n`)
      .join('')}`,
  )
  process.exitCode = name === undefined ? 0 : 2
}
