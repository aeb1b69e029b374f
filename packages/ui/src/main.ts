import './main.css'
import ui from '@nuxt/ui/vue-plugin'
import { ApiClient, type Ports, storageMemory } from '@ocm/operator'
import { OcmError } from '@ocm/protocol'
import { browserPrimitives } from '@ocm/protocol/browser'
import { QueryCache, QueryClient, VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'
import App from './App.vue'
import { PORTS } from './api/client.ts'
import { CLOCK, tickingClock } from './clock.ts'
import { i18n } from './i18n.ts'
import { makeRouter } from './router.ts'
import { THEME, followTheme } from './theme.ts'

const now = () => Date.now()
const ports: Ports = {
  p: browserPrimitives,
  api: new ApiClient({
    url: location.origin,
    fetch: (...request) => fetch(...request),
    openSocket: (url) => new WebSocket(url),
  }),
  memory: storageMemory(localStorage),
  now,
}

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof OcmError && error.code === 'login-needed') sessionEnded()
    },
  }),
  defaultOptions: {
    queries: {
      // The live socket says what has changed; a lost one makes everything stale.
      staleTime: 60_000,
      retry: (failures, error) =>
        failures < 2 && error instanceof OcmError && error.retry === 'later',
      retryDelay: 1500,
    },
  },
})
const router = makeRouter(ports.api, queries)

function sessionEnded() {
  const { fullPath, meta } = router.currentRoute.value
  queries.clear()
  if (meta.open !== true) void router.push({ name: 'login', query: { to: fullPath } })
}

createApp(App)
  .use(router)
  .use(i18n)
  .use(VueQueryPlugin, { queryClient: queries })
  .use(ui)
  .provide(PORTS, ports)
  .provide(CLOCK, tickingClock(now))
  .provide(THEME, followTheme(window))
  .mount('#app')
