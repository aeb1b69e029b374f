/**
 * Tells systemd that we are there, and goes on telling it while our loop turns (`Type=notify`, `WatchdogSec=`). Node has
 * no datagram sockets, so systemd's own small program sends what we say: units need `NotifyAccess=all`.
 */
import { spawn } from 'node:child_process'

export interface ServiceManager {
  ready(): void
  stopping(): void
  /** Says nothing more: another tells it. */
  rest(): void
}

/**
 * What a service manager asked for is taken out of `env`: it is for us and for nobody that we start.
 * @param fault is told why a message could not be sent; the service manager then ends us when it has waited enough.
 */
export function serviceManager(
  env: NodeJS.ProcessEnv,
  fault: (error: unknown) => void,
): ServiceManager {
  const socket = env['NOTIFY_SOCKET']
  const isOurs = [undefined, String(process.pid)].includes(env['WATCHDOG_PID'])
  const everyMs = isOurs ? Number(env['WATCHDOG_USEC'] ?? 0) / 1000 / 3 : 0
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]

  const say = (word: string) => {
    if (socket === undefined) return
    const own = { PATH: env['PATH'], NOTIFY_SOCKET: socket }
    spawn('systemd-notify', [word], { env: own, stdio: 'ignore' }).once('error', fault)
  }
  const beat = everyMs > 0 ? setInterval(() => say('WATCHDOG=1'), everyMs) : undefined
  beat?.unref()
  return {
    ready: () => say('READY=1'),
    stopping: () => {
      clearInterval(beat)
      say('STOPPING=1')
    },
    rest: () => clearInterval(beat),
  }
}
