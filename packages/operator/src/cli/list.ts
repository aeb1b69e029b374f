/** For options that may be repeated. */
export const list = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]
