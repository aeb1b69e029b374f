/** What is packaged: three programs, two of them also as services. */

export interface Program {
  /** Of the package and of the command. */
  readonly name: 'ocm-hub' | 'ocm-agent' | 'ocm'
  readonly summary: string
  /** Lines of at most 78 letters. */
  readonly about: readonly string[]
  /** Names in dist/. */
  readonly files: readonly string[]
  readonly debian?: Debian
}

export interface Debian {
  readonly depends: readonly string[]
  readonly recommends: readonly string[]
  /** Of deploy/, by where they go. */
  readonly units: { readonly system: readonly string[]; readonly user: readonly string[] }
  /** Of deploy/debian: becomes /etc/default/NAME. */
  readonly defaults: boolean
}

/** What Node's own build stands on, as its binary says. */
const NODE_NEEDS = ['libc6 (>= 2.28)', 'libgcc-s1 | libgcc1', 'libstdc++6 (>= 6)']

export const PROGRAMS: readonly Program[] = [
  {
    name: 'ocm-hub',
    summary: 'server that keeps sealed backups of OpenClaw nodes',
    about: [
      'OCM backs up OpenClaw nodes, restores them, and moves a node to another',
      'machine. The hub keeps snapshots that it cannot read, tells agents what',
      'operators ordered, and serves the dashboard.',
    ],
    // The agent's too: the hub hands it to nodes that it reaches by ssh, and to who installs one.
    files: ['ocm-hub.mjs', 'ocm-agent.mjs', 'install-agent.sh', 'ui', 'api-docs'],
    debian: {
      depends: [...NODE_NEEDS, 'adduser'],
      recommends: ['openssh-client'],
      units: { system: ['ocm-hub.service'], user: [] },
      defaults: true,
    },
  },
  {
    name: 'ocm-agent',
    summary: 'backs up and moves the OpenClaw node that it runs beside',
    about: [
      'OCM backs up OpenClaw nodes, restores them, and moves a node to another',
      'machine. The agent runs as the account that runs OpenClaw, dials its hub,',
      'and seals everything before it leaves the node.',
    ],
    files: ['ocm-agent.mjs'],
    debian: {
      depends: NODE_NEEDS,
      recommends: ['iproute2'],
      units: { system: ['ocm-agent@.service'], user: ['ocm-agent.service'] },
      defaults: false,
    },
  },
  {
    name: 'ocm',
    summary: 'what an operator of OCM does, from a terminal',
    about: ['Everything that the dashboard of OCM does.'],
    files: ['ocm.mjs', 'ocm-agent.mjs'],
  },
]

export const ARCHITECTURES = ['amd64', 'arm64'] as const
export type Architecture = (typeof ARCHITECTURES)[number]

export const isArchitecture = (name: string): name is Architecture =>
  (ARCHITECTURES as readonly string[]).includes(name)

export const thisArchitecture = (): Architecture => (process.arch === 'arm64' ? 'arm64' : 'amd64')
