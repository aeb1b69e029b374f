/** What pages and stores reach the hub and the vault with; made once, in main.ts. */
import type { ApiClient, Ports } from '@ocm/operator'
import { type InjectionKey, inject } from 'vue'

export const PORTS: InjectionKey<Ports> = Symbol('ports')

export function usePorts(): Ports {
  const ports = inject(PORTS)
  if (ports === undefined) throw new Error('no ports were provided')
  return ports
}

export const useClient = (): ApiClient => usePorts().api
