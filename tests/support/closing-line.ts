import type { Reporter, TestModule } from 'vitest/node'

/**
 * Ends a run with `N passed, N failed, N skipped` alone on a line. What fails outside a test (a file that throws
 * on import, a hook, an error nobody caught) counts as one failed test, so that a red run never reads as green.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    const count = { passed: 0, failed: unhandled.length, skipped: 0 }
    for (const module of modules) {
      if (module.errors().length > 0) count.failed++
      for (const suite of module.children.allSuites()) {
        if (suite.errors().length > 0) count.failed++
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        count[state === 'pending' ? 'skipped' : state]++
      }
    }
    process.stdout.write(
      `${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
    )
  }
}
