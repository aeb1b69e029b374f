/** Where to go after login: only a path of this dashboard, whatever stands in the address. */
export function pathWithin(wish: unknown): string {
  if (typeof wish !== 'string' || !wish.startsWith('/')) return '/'
  // `//host` and `/\host` are addresses of another site to a browser.
  return /^\/[/\\]/.test(wish) ? '/' : wish
}
