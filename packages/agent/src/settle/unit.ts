/** The user unit that keeps an agent running, as deploy/ocm-agent.service has it, for one program and one node. */
import { OcmError } from '@ocm/protocol'

export interface UnitWish {
  /** The Node that runs OpenClaw too: the one in a service manager's PATH is often older. */
  readonly node: string
  readonly program: string
  readonly stateDir: string
  readonly home: string
  readonly openclawBin?: string | undefined
}

export function unitText({ node, program, stateDir, home, openclawBin }: UnitWish): string {
  const words = [
    node,
    '--report-exclude-env',
    program,
    'run',
    '--state',
    stateDir,
    '--openclaw-home',
    home,
    ...(openclawBin === undefined ? [] : ['--openclaw-bin', openclawBin]),
  ]
  return `[Unit]
Description=OCM agent
StartLimitIntervalSec=0

[Service]
Type=notify
# Node cannot speak to the notify socket itself: systemd-notify, a child of the agent, does.
NotifyAccess=all
WatchdogSec=60
# What an apply left half done is put right before the agent is up.
TimeoutStartSec=30min
ExecStart=${words.map(quoted).join(' ')}
# What starts the gateway again after a restore is not to be ended with the agent.
KillMode=process
# No memory limit: a gateway on trial runs below the agent and wants a gigabyte. Should the kernel end it, the agent stays.
OOMPolicy=continue
UMask=0077
Restart=always
RestartSec=5
TimeoutStopSec=30
Nice=10
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=default.target
`
}

/**
 * Of systemd: % begins a specifier and $ a variable, also between quotes.
 * @throws OcmError 'malformed' for what would end the line
 */
function quoted(word: string): string {
  if (/\p{Cc}/u.test(word)) throw new OcmError('malformed', { what: 'path' })
  if (/^[\w./-]+$/.test(word)) return word
  const plain = word.replaceAll(/["\\]/g, String.raw`\$&`)
  return `"${plain.replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}
