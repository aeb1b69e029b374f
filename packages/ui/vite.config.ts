import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [
    vue(),
    ui({
      // Icons from the package, never from the internet.
      icon: { clientBundle: { scan: true } },
      autoImport: false,
    }),
  ],
  build: { outDir: '../../dist/ui', emptyOutDir: true },
})
