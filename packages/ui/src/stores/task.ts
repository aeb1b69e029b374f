/** One thing that is under way or failed, as a form shows it. */
import { readonly, ref, shallowRef } from 'vue'
import { painted } from '../painted.ts'
import { type Problem, problemOf } from '../problem.ts'

export function useTask() {
  const busy = ref(false)
  const problem = shallowRef<Problem>()

  /** @returns whether it was done; if not, `problem` says why. */
  async function run(work: () => Promise<unknown>): Promise<boolean> {
    busy.value = true
    problem.value = undefined
    // What derives a key keeps the page from painting.
    await painted()
    try {
      await work()
      return true
    } catch (error) {
      problem.value = problemOf(error)
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy: readonly(busy), problem, run }
}
