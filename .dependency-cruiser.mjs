// The layers of ARCHITECTURE.md. A rule says in its comment why it is there; read it before silencing one.

const tests = '(\\.(test|contract)\\.ts$|/testing/)'
const faces = [
  '^packages/protocol/src/(index|primitives/node|primitives/browser)\\.ts$',
  '^packages/agent/src/agent\\.ts$',
  '^packages/hub/src/app\\.ts$',
  '^packages/operator/src/(index|node)\\.ts$',
]
const hub = (folder) => `^packages/hub/src/${folder}/`
const agent = (folder) => `^packages/agent/src/${folder}(/|\\.ts$)`
// A port is an interface declared beside its consumer; implementations and their tests import it from there.
const port = '(/|\\.)ports?(/|\\.ts$)'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'resolves',
      comment:
        'An import that resolves to nothing breaks the bundle or the clone of somebody else.',
      severity: 'error',
      from: {},
      // Virtual modules of Vite plugins have no file.
      to: {
        couldNotResolve: true,
        pathNot: '^(virtual:|#|@intlify/unplugin-vue-i18n/messages|@nuxt/ui)',
      },
    },
    {
      name: 'declared',
      comment:
        'A package uses what its own package.json names; what another brings along may leave with it.',
      severity: 'error',
      from: { path: '^packages/', pathNot: [tests, 'vite\\.config\\.ts$'] },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'tests-stay-outside',
      comment: 'What ships never depends on a test.',
      severity: 'error',
      from: { pathNot: [tests, '^tests/'] },
      to: { path: ['\\.test\\.ts$', '^tests/'], pathNot: 'node_modules' },
    },
    {
      name: 'protocol-without-io',
      comment:
        'Everything hard is a pure function that runs the same on a node, in the hub and in a browser. ' +
        'Only primitives/node.ts may take crypto from Node.',
      severity: 'error',
      from: {
        path: '^packages/protocol/src/',
        pathNot: [tests, '^packages/protocol/src/primitives/node\\.ts$'],
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'protocol-does-not-choose-its-platform',
      comment:
        'Primitives are handed in: an import of node.ts or browser.ts would drag the one into the other.',
      severity: 'error',
      from: { path: '^packages/protocol/src/', pathNot: tests },
      to: { path: '^packages/protocol/src/primitives/(node|browser)\\.ts$' },
    },
    {
      name: 'packages-meet-in-protocol',
      comment:
        'Hub, agent and operator are separate programs of separate trust; what they share is a shape in protocol.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/', pathNot: '^packages/ui/' },
      to: { path: '^packages/', pathNot: ['^packages/($1|protocol)/', 'node_modules'] },
    },
    {
      name: 'dashboard-is-made-of-the-operator-library',
      comment:
        'The one exception: what an operator can do is written once, for the command and for the dashboard.',
      severity: 'error',
      from: { path: '^packages/ui/' },
      to: { path: '^packages/', pathNot: ['^packages/(ui|protocol|operator)/', 'node_modules'] },
    },
    {
      name: 'packages-show-a-face',
      comment: 'A package may rearrange what lies behind its face without asking anybody.',
      severity: 'error',
      from: { path: '^(packages/[^/]+|tests)/' },
      to: { path: '^packages/', pathNot: ['^$1/', 'node_modules', ...faces] },
    },
    {
      name: 'dashboard-takes-the-library',
      comment:
        'operator/node.ts reads files and starts processes: it is for the command, not for a browser.',
      severity: 'error',
      from: { path: '^packages/ui/src/', pathNot: tests },
      to: {
        path: ['^packages/operator/src/node\\.ts$', '^packages/protocol/src/primitives/node\\.ts$'],
      },
    },
    {
      name: 'operator-library-without-node',
      comment:
        'The dashboard imports it. What needs Node stands in node.ts, node/, cli/ and main.ts.',
      severity: 'error',
      from: {
        path: '^packages/operator/src/',
        pathNot: [tests, '^packages/operator/src/((node|main)\\.ts$|node/|cli/)'],
      },
      to: {
        dependencyTypes: ['core'],
      },
    },
    {
      name: 'operator-library-below-its-command',
      comment: 'The library does not know the command that is made of it.',
      severity: 'error',
      from: {
        path: '^packages/operator/src/',
        pathNot: [tests, '^packages/operator/src/((node|main)\\.ts$|node/|cli/)'],
      },
      to: { path: '^packages/operator/src/((node|main)\\.ts$|node/|cli/)' },
    },
    {
      name: 'agent-openclaw-is-the-ground',
      comment:
        'openclaw/ translates OpenClaw into our words, implements ports, and knows nothing of what is done with them.',
      severity: 'error',
      from: { path: agent('openclaw'), pathNot: tests },
      to: { path: '^packages/agent/src/', pathNot: [agent('openclaw'), port] },
    },
    {
      name: 'agent-work-below-the-link',
      comment:
        'capture and apply run the same under a websocket, over stdio and in a test: the link calls them.',
      severity: 'error',
      from: { path: [agent('capture'), agent('apply')], pathNot: tests },
      to: { path: [agent('link'), agent('agent'), agent('main')] },
    },
    {
      name: 'agent-is-assembled-at-the-top',
      comment: 'Only agent.ts and main.ts know every part; a part is handed what it needs.',
      severity: 'error',
      from: { path: '^packages/agent/src/[^/]+/', pathNot: tests },
      to: { path: '^packages/agent/src/(agent|main)\\.ts$' },
    },
    {
      name: 'hub-is-assembled-at-the-top',
      comment: 'Only app.ts and main.ts know every part; a part is handed what it needs.',
      severity: 'error',
      from: { path: '^packages/hub/src/[^/]+/', pathNot: tests },
      to: { path: '^packages/hub/src/(app|main)\\.ts$' },
    },
    {
      name: 'hub-http-asks-jobs-and-nodes',
      comment:
        'http speaks to people. What it wants done is decided in jobs and nodes, over ports it never sees behind.',
      severity: 'error',
      from: { path: hub('http'), pathNot: tests },
      to: { path: ['catalog', 'packs', 'links'].map(hub), pathNot: port },
    },
    {
      name: 'hub-decisions-stand-on-ports',
      comment: 'jobs and nodes run over any catalog, packs and link; app.ts chooses which.',
      severity: 'error',
      from: { path: [hub('jobs'), hub('nodes')], pathNot: tests },
      to: { path: ['catalog', 'packs', 'links', 'http'].map(hub), pathNot: port },
    },
    {
      name: 'hub-backends-apart',
      comment: 'catalog, packs and links are each replaced alone, so none knows another.',
      severity: 'error',
      from: { path: '^packages/hub/src/(catalog|packs|links)/', pathNot: tests },
      to: {
        path: '^packages/hub/src/(catalog|packs|links)/',
        pathNot: ['^packages/hub/src/$1/', port],
      },
    },
    {
      name: 'hub-backends-never-upward',
      comment:
        'A backend implements the port its consumer declares, and imports nothing else of it.',
      severity: 'error',
      from: { path: '^packages/hub/src/(catalog|packs|links)/', pathNot: tests },
      to: { path: '^packages/hub/src/(http|jobs|nodes)/', pathNot: [port, tests] },
    },
    {
      name: 'ui-components-are-given',
      comment: 'Components take props and emit events, so they can be shown and tested alone.',
      severity: 'error',
      from: { path: '^packages/ui/src/components/', pathNot: tests },
      to: { path: ['^packages/ui/src/(stores|api|pages)/', '^packages/operator/'] },
    },
    {
      name: 'ui-stores-below-pages',
      comment: 'pages ▶ stores ▶ @ocm/operator: a store does not know who shows it.',
      severity: 'error',
      from: { path: '^packages/ui/src/(stores|api)/', pathNot: tests },
      to: { path: '^packages/ui/src/(pages|components)/' },
    },
    {
      name: 'openclaw-is-not-a-library',
      comment:
        'We speak to the OpenClaw that is installed on the node, through its command and its files.',
      severity: 'error',
      from: { path: '^packages/' },
      to: { path: 'node_modules/openclaw/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['(^|/)dist/', '\\.d\\.ts$'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'browser', 'node', 'default', 'types'],
      extensions: ['.ts', '.vue', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
}
