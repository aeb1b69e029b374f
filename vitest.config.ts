import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

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

export default defineConfig({
  test: {
    maxWorkers: 2,
    passWithNoTests: true,
    reporters: ['default', './tests/support/closing-line.ts'],
    projects: [
      unit('protocol'),
      unit('agent'),
      unit('hub'),
      unit('operator'),
      unit('ui', { environment: 'happy-dom' }),
      {
        test: {
          name: 'e2e',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/bench/**', 'tests/proof/**', '**/node_modules/**'],
          globalSetup: ['tests/support/build.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // After the unit tests: whole systems want the machine for themselves.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
