/** A network that nothing leads out of: what is tried on a copy must not refresh a login, nor greet anybody. */
import { run } from './run.ts'

/** A new namespace has its loopback down; without it a gateway could not be asked whether it is ready. */
const UP =
  'PATH=$PATH:/usr/sbin:/sbin; ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null || exit 97'
/** What a process in it sees: the interfaces, and whether loopback answers to its address. */
const LOOK = 'cat /proc/self/net/dev; echo; cat /proc/self/net/fib_trie'
const LOOK_MS = 5000

/**
 * The beginning of a command line that runs the rest of it in a network with loopback alone, as the same user and
 * under the same process id. Undefined where this machine does not let us, or has not what it takes.
 * @param lookMs how long it may take to see that.
 */
export async function ownNetwork(lookMs = LOOK_MS): Promise<readonly string[] | undefined> {
  if (process.platform !== 'linux') return undefined
  for (const prefix of ways()) {
    const [file = '', ...args] = [...prefix, 'sh', '-c', LOOK]
    const ran = await run(file, args, { timeoutMs: lookMs })
    if (ran?.status === 0 && isAlone(ran.stdout)) return prefix
  }
  return undefined
}

/** With the right to make one; or inside a user namespace, from which it is left again into one with the old number. */
function ways(): readonly (readonly string[])[] {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  const back = `exec unshare --user --map-user=${uid} --map-group=${gid} -- "$@"`
  return [
    ['unshare', '--net', '--', 'sh', '-c', `${UP}; exec "$@"`, 'sh'],
    ['unshare', '--user', '--map-root-user', '--net', '--', 'sh', '-c', `${UP}; ${back}`, 'sh'],
  ]
}

function isAlone(seen: string): boolean {
  const [devices = '', addresses = ''] = seen.split('\n\n')
  const interfaces = [...devices.matchAll(/^\s*([^\s:|+]+):/gm)].map(([, name]) => name)
  // Some kernels put idle tunnel ends of their own into each namespace; they are down and lead nowhere.
  const others = interfaces.filter(
    (name) =>
      name !== 'lo' &&
      !/^(?:tunl|sit|gre|gretap|erspan|ip6?_?(?:vti|tnl|gre)|ip6tnl)\d+$/.test(name ?? ''),
  )
  return interfaces.includes('lo') && others.length === 0 && addresses.includes('127.0.0.1')
}
