/**
 * Work that touches the node, one piece at a time. A request that is asked again after a lost link may find its
 * predecessor still at it; it waits until that has noticed and ended.
 */
export function turns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const next = last.then(work)
    // Who asked is told of a failure; the next in line is not.
    last = next.catch(() => undefined)
    return next
  }
}
