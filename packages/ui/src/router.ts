/** The pages and who may see them. */
import type { ApiClient } from '@ocm/operator'
import { OcmError } from '@ocm/protocol'
import type { QueryClient } from '@tanstack/vue-query'
import { type Router, createRouter, createWebHistory } from 'vue-router'
import { KEYS } from './api/queries.ts'

declare module 'vue-router' {
  interface RouteMeta {
    /** Key of the page's title. */
    title: string
    /** May be seen without being logged in. */
    open?: boolean
  }
}

export function makeRouter(client: ApiClient, queries: QueryClient): Router {
  const router = createRouter({
    history: createWebHistory(),
    scrollBehavior: (to, _from, saved) =>
      saved ?? (to.hash === '' ? { top: 0 } : { el: to.hash, top: 16 }),
    routes: [
      {
        path: '/setup',
        name: 'setup',
        component: () => import('./pages/SetupPage.vue'),
        meta: { title: 'setup.title', open: true },
      },
      {
        path: '/login',
        name: 'login',
        component: () => import('./pages/LoginPage.vue'),
        meta: { title: 'login.title', open: true },
      },
      {
        path: '/help',
        name: 'help',
        component: () => import('./pages/HelpPage.vue'),
        meta: { title: 'help.title', open: true },
      },
      {
        path: '/',
        component: () => import('./pages/FramePage.vue'),
        redirect: { name: 'nodes' },
        meta: { title: 'nodes.title' },
        children: [
          {
            path: 'nodes',
            name: 'nodes',
            component: () => import('./pages/NodesPage.vue'),
            meta: { title: 'nodes.title' },
          },
          {
            path: 'nodes/:id',
            name: 'node',
            component: () => import('./pages/NodePage.vue'),
            props: true,
            meta: { title: 'node.title' },
          },
          {
            path: 'snapshots/:id',
            name: 'snapshot',
            component: () => import('./pages/SnapshotPage.vue'),
            props: true,
            meta: { title: 'snapshot.title' },
          },
          {
            path: 'move',
            name: 'move',
            component: () => import('./pages/MovePage.vue'),
            meta: { title: 'move.title' },
          },
          {
            path: 'compare',
            name: 'compare',
            component: () => import('./pages/ComparePage.vue'),
            meta: { title: 'compare.title' },
          },
          {
            path: 'storage',
            name: 'storage',
            component: () => import('./pages/StoragePage.vue'),
            meta: { title: 'storage.title' },
          },
          {
            path: 'epoch',
            name: 'epoch',
            component: () => import('./pages/EpochPage.vue'),
            meta: { title: 'epoch.title' },
          },
          {
            path: 'jobs',
            name: 'jobs',
            component: () => import('./pages/JobsPage.vue'),
            meta: { title: 'jobs.title' },
          },
          {
            path: 'jobs/:id',
            name: 'job',
            component: () => import('./pages/JobPage.vue'),
            props: true,
            meta: { title: 'job.title' },
          },
          {
            path: ':path(.*)*',
            name: 'nowhere',
            component: () => import('./pages/NowherePage.vue'),
            meta: { title: 'nowhere.title' },
          },
        ],
      },
    ],
  })

  router.beforeEach(async (to) => {
    if (to.meta.open === true) return true
    try {
      await queries.ensureQueryData({ queryKey: KEYS.me, queryFn: client.me })
      return true
    } catch (error) {
      // Whatever else went wrong is shown by the frame, which asks the same again.
      if (!(error instanceof OcmError) || error.code !== 'login-needed') return true
      const { open } = await queries.fetchQuery({
        queryKey: KEYS.setup,
        queryFn: client.setupState,
      })
      if (open) return { name: 'setup' }
      return { name: 'login', query: to.fullPath === '/' ? {} : { to: to.fullPath } }
    }
  })
  return router
}
