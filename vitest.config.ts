import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import { whyNoPostgres } from './tests/support/postgres/server.ts'

const unit = (name: string, more: object = {}) => ({
  plugins: name === 'ui' ? [vue()] : [],
  test: {
    name,
    include: [`packages/${name}/src/**/*.test.ts`],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    ...more,
  },
})

/** They are asked of a catalog in PostgreSQL too; with OCM_TEST_CATALOG=postgres the others of the hub as well. */
const CATALOG_NEAR = [
  'jobs/runner.test.ts',
  'keeping/{collect,interleavings}.test.ts',
  'nodes/commit.test.ts',
]
const hasPostgres = whyNoPostgres() === undefined
const isWholeHub = process.env['OCM_TEST_CATALOG'] === 'postgres'

const NO_TESTS = ['tests/bench/**', 'tests/proof/**', '**/node_modules/**']
/**
 * They use the populated home that tests/line.test.ts uses, and it is at one path: they run after it and one by one, each
 * with about as much beside it as it takes itself.
 */
const LATER_USERS = {
  archives: ['trial'],
  'compare-real': ['cli'],
  graft: ['ssh-move', 'ssh-adopt'],
  moves: ['ssh-people'],
}
const laterGroups = Object.entries(LATER_USERS).map(([user, beside]) =>
  [user, ...beside].map((name) => `tests/${name}.test.ts`),
)

const systems = (name: string, groupOrder: number, more: object) => ({
  test: {
    name,
    include: ['tests/**/*.test.ts'],
    globalSetup: ['tests/support/build.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    sequence: { groupOrder },
    ...more,
  },
})

export default defineConfig({
  test: {
    maxWorkers: 2,
    passWithNoTests: true,
    reporters: ['default', './tests/support/closing-line.ts'],
    projects: [
      unit('protocol'),
      unit('agent'),
      unit('hub'),
      unit('hub-postgres', {
        include: (isWholeHub ? ['**/*.test.ts'] : CATALOG_NEAR)
          .filter(() => hasPostgres)
          .map((files) => `packages/hub/src/${files}`),
        globalSetup: hasPostgres ? ['tests/support/postgres/for-hubs.ts'] : [],
        env: { OCM_TEST_CATALOG: 'postgres' },
      }),
      unit('operator'),
      unit('ui'),
      // After the unit tests: whole systems want the machine for themselves.
      systems('e2e', 1, { exclude: [...NO_TESTS, ...laterGroups.flat()] }),
      ...laterGroups.map((include, i) => systems(`e2e-${i + 2}`, i + 2, { include })),
    ],
  },
})
