/**
 * An account of this machine with a service manager of its own, as a login gives it one: `useradd`, and a real
 * `systemd --user` in a mount namespace where it believes that the machine was booted with systemd, in control groups
 * that are the account's.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Under } from '../programs.ts'
import { openclawEnv } from '../openclaw.ts'
import { until } from '../until.ts'

const GROUPS = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup']

const MANAGER = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run/systemd
mkdir -p /run/systemd/system
mount --bind $STUB /usr/bin/systemctl
for groups in ${GROUPS.join(' ')}; do
  if [ -e $groups/cgroup.procs ]; then
    mkdir -p $groups/$NAME
    chown -R $ACCOUNT:$ACCOUNT $groups/$NAME
    echo $$ > $groups/$NAME/cgroup.procs
  fi
done
exec setpriv --reuid $ACCOUNT --regid $ACCOUNT --clear-groups /lib/systemd/systemd --user --log-target=console
`

/**
 * This machine was perhaps not booted with systemd, and OpenClaw asks its manager whether that has a unit of the same
 * name. It is answered for as one that has none; what is asked of the account's own manager is asked of that.
 */
const systemctlBeside = (real: string) => `#!/bin/sh
for word; do [ "$word" = --user ] && exec ${real} "$@"; done
case "$*" in
  *UnitPath*) echo /etc/systemd/system /usr/lib/systemd/system ;;
  *LoadState*--value*) echo not-found ;;
  *) exec ${real} "$@" ;;
esac
`

export interface Managed {
  readonly home: string
  /** How programs of this account are run. */
  readonly under: Under
  /** @returns what it prints. @throws Error with what it says */
  systemctl(...args: readonly string[]): string
  /** As the machine would: everything that it runs ends, and what is enabled starts. */
  reboot(): Promise<void>
  stop(): Promise<void>
}

/** @param home its owner becomes the account; what lies in it, too. @param ground a directory of its own */
export async function managedAccount(name: string, home: string, ground: string): Promise<Managed> {
  spawnSync('userdel', [name], { stdio: 'ignore' })
  execFileSync('useradd', ['-M', '-d', home, '-s', '/bin/sh', name])
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  const [uid, gid] = [id('-u'), id('-g')]
  mkdirSync(home, { recursive: true })
  execFileSync('chown', ['-R', `${uid}:${gid}`, home])
  const [run, bin] = [join(ground, 'run'), join(ground, 'bin')]
  for (const folder of [run, bin]) mkdirSync(folder, { recursive: true })
  chownSync(run, uid, gid)
  chmodSync(run, 0o700)
  const [real, stub] = [join(bin, 'real'), join(bin, 'systemctl')]
  copyFileSync('/usr/bin/systemctl', real)
  writeFileSync(stub, systemctlBeside(real), { mode: 0o755 })

  const group = `${name}-${process.pid}`
  const env = {
    HOME: home,
    XDG_RUNTIME_DIR: run,
    PATH: openclawEnv(home)['PATH'] ?? '',
  }
  const start = () =>
    spawn('unshare', ['-m', 'sh', '-c', MANAGER], {
      env: {
        ...env,
        NAME: group,
        ACCOUNT: String(uid),
        STUB: stub,
        PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
      },
      stdio: 'ignore',
    })
  const account = { uid, gid }
  const systemctl = (...args: readonly string[]) =>
    execFileSync('systemctl', ['--user', ...args], {
      env,
      encoding: 'utf8',
      stdio: 'pipe',
      ...account,
    })
  let manager: ChildProcess
  const asked = () =>
    spawnSync('systemctl', ['--user', 'show', '-p', 'Version'], { env, ...account })
  const boot = async () => {
    manager = start()
    await until(() => asked().status === 0, {
      timeoutMs: 20_000,
      what: `the manager of ${name} answers`,
    })
  }
  const end = async () => {
    if (manager.exitCode !== null) return
    const gone = once(manager, 'exit')
    manager.kill('SIGTERM')
    await gone
  }
  await boot()
  const ids = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups']
  return {
    home,
    get under() {
      const namespace = `--mount=/proc/${manager.pid}/ns/mnt`
      return {
        account,
        env: { ...env, USER: name, LOGNAME: name },
        through: ['nsenter', namespace, 'setpriv', ...ids],
      }
    },
    systemctl,
    async reboot() {
      await end()
      await boot()
    },
    async stop() {
      await end()
      for (const groups of GROUPS) {
        const own = join(groups, group)
        if (existsSync(own))
          execFileSync('find', [own, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'])
      }
      spawnSync('userdel', [name], { stdio: 'ignore' })
      rmSync(ground, { recursive: true, force: true })
    },
  }
}
