/**
 * Words that are planted in a node and must never be seen by the hub: secrets, names and paths. Each is long and odd
 * enough not to occur by chance.
 */
export const SECRETS = {
  openaiKey: 'sk-canary-openai-5f1d0c7e93ab4d2f8',
  anthropicKey: 'sk-ant-canary-9b3e6d20c1f74a58e',
  dotenvKey: 'canary-dotenv-mock-key-77c0de41',
  weatherKey: 'canary-weather-key-b2a98f31',
  fileSecret: 'canary-file-secret-d41c9e07',
  storeSecret: 'canary-store-secret-60b7f2aa',
  gatewayToken: 'canary-gateway-token-3c8e15d9f0',
  mcpToken: 'canary-mcp-token-f19a0b6c',
  workspaceSecret: 'canary-note-password-e8107d52',
  sessionSecret: 'canary-session-secret-4d9f3a71',
} as const

export const NAMES = {
  persona: 'quillwork',
  secondPersona: 'marrowlab',
  cronJob: 'canary-daily-marigold-report',
  commandJob: 'canary-hourly-thistle-sweep',
  oneShot: 'canary-far-future-bellflower',
  skill: 'canary-saxifrage-skill',
  plugin: 'canary-larkspur-plugin',
  hook: 'canary-foxglove-hook',
} as const

export const PATHS = {
  workspaceFile: 'canary-hyssop-ledger.md',
  extraSkills: 'canary-extra-skills-tansy',
} as const

export const CANARIES: readonly string[] = [
  ...Object.values(SECRETS),
  ...Object.values(NAMES),
  ...Object.values(PATHS),
]
