/**
 * Puts a text into the clipboard. On a plain http page that is not the machine's own there is no clipboard API, so
 * the older way is kept.
 * @returns whether it worked.
 */
export async function copyText(text: string, page: Document): Promise<boolean> {
  const clipboard = page.defaultView?.navigator.clipboard
  if (clipboard !== undefined) {
    try {
      await clipboard.writeText(text)
      return true
    } catch (error) {
      // Refused by a permission: the older way needs none.
      if (!(error instanceof DOMException)) throw error
    }
  }
  const field = page.createElement('textarea')
  field.value = text
  field.style.position = 'fixed'
  field.style.opacity = '0'
  // Inside an open dialog, which keeps the focus within itself.
  const place = page.querySelector('[role=dialog]') ?? page.body
  place.append(field)
  field.select()
  const done = page.execCommand('copy')
  field.remove()
  return done
}
