import { connect } from 'node:net'
import { until } from '../until.ts'

export const isAnswering = (port: number): Promise<void> =>
  until(
    () =>
      new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('connect', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(false))
      }),
    { timeoutMs: 10_000, what: `something listens on ${port}`, everyMs: 50 },
  )
