/** The secret in a set-up link: behind its #, or the whole text when somebody copied only that. */
export function secretIn(text: string): string {
  const at = text.indexOf('#')
  const secret = (at === -1 ? text : text.slice(at + 1)).trim()
  return /^[\w-]{16,128}$/.test(secret) ? secret : ''
}

/** Whether somebody has the printed code before them: they type its last group. */
export function isLastGroup(code: string, typed: string): boolean {
  const last = code.slice(code.lastIndexOf('-') + 1)
  return typed.trim().replace(/^-/, '').toLowerCase() === last
}
