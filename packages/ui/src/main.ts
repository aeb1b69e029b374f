import './main.css'
import ui from '@nuxt/ui/vue-plugin'
import { createApp } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import App from './App.vue'

createApp(App)
  .use(createRouter({ history: createWebHistory(), routes: [] }))
  .use(ui)
  .mount('#app')
