/** Resolves when what was just set is on the screen; for work that keeps the page from painting. */
export const painted = (): Promise<void> =>
  new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve, 0))
  })
