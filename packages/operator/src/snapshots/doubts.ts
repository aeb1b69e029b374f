/** What a snapshot may not have as it was on its node: told at the capture, sealed, and so for operators alone. */
import { type Manifest, type ManifestMeta, type Omission, pathFromBytes } from '@ocm/protocol'

export interface Doubts {
  readonly warnings: ManifestMeta['warnings']
  /** Each as `root:path`, of what changed each time it was read. */
  readonly unstable: readonly string[]
  /** What is not in it, by reason. */
  readonly omitted: readonly { readonly why: Omission['why']; readonly paths: readonly string[] }[]
}

const spelled = ({ root, path }: Pick<Omission, 'root' | 'path'>) =>
  `${root}:${pathFromBytes(path)}`

/** What is to be worried about comes first. */
const WHYS = [
  'unreadable',
  'vanished',
  'special',
  'other-filesystem',
  'regenerable',
] as const satisfies readonly Omission['why'][]

export const doubtsOf = ({
  entries,
  omissions,
  warnings,
}: Pick<Manifest, 'entries' | 'omissions' | 'warnings'>): Doubts => ({
  warnings,
  unstable: entries.filter(({ unstable }) => unstable === true).map(spelled),
  omitted: WHYS.flatMap((why) => {
    const paths = omissions.filter((one) => one.why === why).map(spelled)
    return paths.length === 0 ? [] : [{ why, paths }]
  }),
})
