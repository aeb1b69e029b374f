/** The languages of the dashboard and everything that depends on which one is shown. */
import { computed, watchEffect } from 'vue'
import { createI18n, useI18n } from 'vue-i18n'
import { type Format, formatIn } from './format.ts'
import en from './locales/en.json'

declare module 'vue-i18n' {
  export interface DefineLocaleMessage extends Messages {}
}
type Messages = typeof en

export const i18n = createI18n({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  messages: { en },
})

// Screen readers and the choice of CJK glyphs go by it.
watchEffect(() => {
  document.documentElement.lang = i18n.global.locale.value
})

const formats = new Map<string, Format>()

/** The formats of the language that is shown; changes with it. */
export function useFormat() {
  const { locale } = useI18n()
  return computed(() => {
    const known = formats.get(locale.value)
    if (known !== undefined) return known
    const made = formatIn(locale.value)
    formats.set(locale.value, made)
    return made
  })
}
