/** Dark or light: what the person chose, or what their system says. Kept in the browser, never on the hub. */
import { type InjectionKey, type Ref, inject, ref, watchEffect } from 'vue'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'ocm-theme'

const isTheme = (text: string | null): text is Theme => THEMES.includes(text as Theme)

/** @param page where the choice is kept and shown; the window, outside of tests. */
export function followTheme(
  page: Pick<Window, 'localStorage' | 'matchMedia' | 'document'>,
): Ref<Theme> {
  const kept = page.localStorage.getItem(KEY)
  const theme = ref<Theme>(isTheme(kept) ? kept : 'system')
  const system = page.matchMedia('(prefers-color-scheme: dark)')
  const systemIsDark = ref(system.matches)
  system.addEventListener('change', (event) => (systemIsDark.value = event.matches))

  watchEffect(() => {
    const dark = theme.value === 'dark' || (theme.value === 'system' && systemIsDark.value)
    page.document.documentElement.classList.toggle('dark', dark)
    page.document.documentElement.classList.toggle('light', !dark)
    page.localStorage.setItem(KEY, theme.value)
  })
  return theme
}

export const THEME: InjectionKey<Ref<Theme>> = Symbol('theme')

export function useTheme(): Ref<Theme> {
  const theme = inject(THEME)
  if (theme === undefined) throw new Error('no theme was provided')
  return theme
}
