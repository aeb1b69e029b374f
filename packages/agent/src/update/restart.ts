/** Starting anew as what is to run now, once everything of this process is put away. */
import { givenFlags } from '../lean.ts'
import { BASE } from './words.ts'

/** Of a service manager: not a failure of ours, and to be started again. */
const AGAIN = 75

const base = process.env[BASE] ?? process.argv[1] ?? ''
/** As the service manager gave it, before it was taken out for ourselves: who comes next is the same service. */
const service = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(NOTIFY_SOCKET|WATCHDOG_)/.test(name)),
)

/** Programs that the agent starts are none of its releases. */
export function forgetBase(): void {
  delete process.env[BASE]
}

export function restart(): void {
  const { execPath, argv } = process
  const env = { ...process.env, ...service }
  if (process.execve) {
    process.execve(execPath, [execPath, ...givenFlags(), base, ...argv.slice(2)], env)
  }
  process.exit(AGAIN)
}
