/** What is shipped as a CycloneDX document: pnpm's own of all that is installed, cut down to what is in it. */
import { spawnSync } from 'node:child_process'
import type { Bundled } from './bundled.ts'

interface Component {
  readonly 'bom-ref': string
  readonly purl: string
}

interface Bom {
  readonly metadata: object
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

const purlOf = ({ name, version }: Bundled) => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`

/**
 * The same sources give the same document: it has neither a serial number nor the time of the day.
 * @param at of what is released, ISO 8601
 * @throws Error when pnpm fails, or does not know something that is bundled
 */
export function bomOf(root: string, packages: readonly Bundled[], at: string): string {
  // At build time some of it is of the tools' dependencies, so all of them are asked for.
  const args = ['--yes', 'pnpm@12.21.0', 'sbom', '--sbom-format', 'cyclonedx']
  const { status, stdout, stderr } = spawnSync('npx', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  })
  if (status !== 0) throw new Error(`pnpm sbom failed:\n${stderr}`)
  const { serialNumber: _, ...bom } = JSON.parse(stdout) as Bom & { serialNumber: string }
  const shipped = new Map(packages.map((one) => [purlOf(one), one]))
  const components = bom.components
    .filter(({ purl }) => shipped.has(purl))
    .map((component) => ({
      ...component,
      properties: [
        { name: 'ocm:shipped-in', value: shipped.get(component.purl)?.shipped.join(', ') ?? '' },
      ],
    }))
    .toSorted((a, b) => (a.purl < b.purl ? -1 : 1))
  const known = new Set(components.map(({ purl }) => purl))
  const unknown = [...shipped.keys()].filter((purl) => !known.has(purl))
  if (unknown.length > 0) throw new Error(`pnpm does not know of ${unknown.join(', ')}`)
  const dependencies = bom.dependencies
    .filter(({ ref }) => known.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => known.has(one)) }))
    .toSorted((a, b) => (a.ref < b.ref ? -1 : 1))
  const metadata = { ...bom.metadata, timestamp: at }
  return `${JSON.stringify({ ...bom, metadata, components, dependencies }, null, 2)}\n`
}
