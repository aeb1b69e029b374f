import i18n from '@intlify/unplugin-vue-i18n/vite'
import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  plugins: [
    vue(),
    // Messages are compiled here, so that no compiler is shipped.
    i18n({ include: here('./src/locales/**'), strictMessage: true }),
    ui({
      // Icons from the package, never from the internet.
      icon: { clientBundle: { scan: true } },
      autoImport: false,
      // theme.ts does it: the choice has a third state, the system's.
      colorMode: false,
      // Styles of the components in use, not of all hundred.
      experimental: { componentDetection: true },
      ui: {
        colors: {
          primary: 'tide',
          neutral: 'ink',
          success: 'emerald',
          warning: 'amber',
          error: 'rose',
          info: 'tide',
        },
        button: { slots: { base: 'cursor-pointer font-medium' } },
        badge: { slots: { base: 'font-medium' } },
        tooltip: { slots: { content: 'max-w-xs' } },
      },
    }),
  ],
  server: {
    proxy: {
      '/api': { target: 'http://127.0.0.1:8101', ws: true },
    },
  },
  build: { outDir: '../../dist/ui', emptyOutDir: true, chunkSizeWarningLimit: 700 },
})
