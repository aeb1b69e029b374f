#!/bin/sh
# Installs the OCM agent for the account that runs OpenClaw: no root, no package manager. The hub serves this file;
# compare its checksum with the one that the dashboard or `ocm ticket` shows before you run it.
set -eu
umask 077

usage() {
  cat <<'TEXT'
sh install-agent.sh --hub URL [options]      installs or updates; the join string is asked for, or read from stdin
sh install-agent.sh --uninstall [--keep-state]

  --hub URL            where the hub is
  --join-file FILE     the join string, in a file that only you can read; the file stays
  --agent-sha256 HEX   what the agent program has to be, as the dashboard and `ocm ticket` show it
  --release-key KEY    take only a program that is signed with this release key
  --self-signed        do not ask who vouches for the hub's certificate (needs one of the two above)
  --mirror URL         fetch the program from here instead of the hub
  --proxy URL          fetch it through this proxy
  --openclaw-home DIR  home of the OpenClaw, if it is not yours
  --openclaw-bin FILE  the openclaw program, if it is not found
  --state DIR          the agent's own directory
  --no-service         set nothing up that starts it; say how to run it
TEXT
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install-agent: %s\n' "$*" >&2
  exit 1
}

hub='' join_file='' sha256='' key='' self_signed='' mirror='' proxy='' uninstall='' keep_state='' service=yes
home=${HOME:?}
openclaw_home=$home openclaw_bin=''
state=''
folder=$home/.local/share/ocm-agent
program=$folder/ocm-agent.mjs
unit=$home/.config/systemd/user/ocm-agent.service
plist=$home/Library/LaunchAgents/org.ocm.agent.plist

# Programs below this home are run: root does not run another account's.
if [ "$(id -u)" = 0 ] && [ -z "$(find -H "$home" -prune -user 0 2>/dev/null)" ]; then
  die "root, with the home of another account ($home): run this as that account"
fi

while [ $# -gt 0 ]; do
  option=$1
  shift
  case $option in
    --uninstall) uninstall=yes ;;
    --keep-state) keep_state=yes ;;
    --self-signed) self_signed=yes ;;
    --no-service) service='' ;;
    --help | -h)
      usage
      exit 0
      ;;
    --hub | --join-file | --agent-sha256 | --release-key | --mirror | --proxy | --openclaw-home | --openclaw-bin | --state)
      [ $# -gt 0 ] || die "$option takes a value"
      case $option in
        --hub) hub=${1%/} ;;
        --join-file) join_file=$1 ;;
        --agent-sha256) sha256=$1 ;;
        --release-key) key=$1 ;;
        --mirror) mirror=${1%/} ;;
        --proxy) proxy=$1 ;;
        --openclaw-home) openclaw_home=$1 ;;
        --openclaw-bin) openclaw_bin=$1 ;;
        --state) state=$1 ;;
      esac
      shift
      ;;
    ocm1.*) die 'a join string on the command line stands in the history and in the list of processes: issue a new one, and give it to stdin or --join-file' ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
done

# Where systemd, launchd and a shell read the same path alike.
plain() {
  case $1 in
    /*) ;;
    *) die "not an absolute path: $1" ;;
  esac
  case $1 in
    *[!A-Za-z0-9_./@+-]*) die "this path has letters that a service file reads otherwise: $1" ;;
  esac
}

user_manager() {
  command -v systemctl >/dev/null 2>&1 || return 1
  XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
  export XDG_RUNTIME_DIR
  systemctl --user show-environment >/dev/null 2>&1
}

# The directory that the installed service names; nothing where there is none.
state_of_service() {
  if [ -e "$unit" ]; then
    sed -n 's/^ExecStart=.* "\{0,1\}--state"\{0,1\} "\{0,1\}\([^ "]*\).*/\1/p' "$unit"
  elif [ -e "$plist" ]; then
    sed -n '/<string>--state<\/string>/{n;s/.*<string>\(.*\)<\/string>.*/\1/p;}' "$plist"
  fi
}

# Only what an agent makes, and only where one was: a name that was mistyped costs nothing.
remove_state() {
  [ -d "$state" ] || return 0
  if [ ! -e "$state/identity" ] && [ ! -e "$state/enrolment" ]; then
    say "Left alone: $state holds neither an identity nor an enrolment of an agent."
    return 0
  fi
  for name in capture continues fence-epoch fleet identity journal log own-schema.json running update updates enrolment; do
    rm -rf "${state:?}/$name" "$state/$name.tmp"
  done
  rm -f "$state"/agent-*.mjs
  rmdir "$state" 2>/dev/null || say "Left: $state holds something that no agent made."
}

# By the mark that an agent leaves there while it runs; the pid may be another program's since. Sets `pid`.
is_alive() {
  [ -e "$state/running" ] || return 1
  pid=$(sed -n 's/.*"pid":\([0-9][0-9]*\).*/\1/p' "$state/running")
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
  [ -r "/proc/$pid/stat" ] || return 0
  began=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)
  grep -q "\"startedAt\":\"$began\"" "$state/running"
}

remove() {
  if user_manager && [ -e "$unit" ]; then
    systemctl --user disable --now ocm-agent.service >/dev/null 2>&1 || say 'The service was not running.'
  fi
  if [ -e "$plist" ] && command -v launchctl >/dev/null 2>&1; then
    launchctl bootout "gui/$(id -u)" "$plist" >/dev/null 2>&1 || say 'The service was not loaded.'
  fi
  # One that was started by hand would write its directory anew.
  if is_alive; then die "the agent is at work (process $pid): end it, then uninstall"; fi
  rm -f "$unit" "$plist"
  rm -f "${unit%/*}/default.target.wants/ocm-agent.service"
  if user_manager; then systemctl --user daemon-reload; fi
  rm -rf "$folder"
  if [ -n "$keep_state" ]; then
    say "Kept: $state, which is this node's identity."
  else
    remove_state
  fi
  # Directories that are empty now, and were made for this.
  rmdir "$home/.config/systemd/user/default.target.wants" "$home/.config/systemd/user" "$home/.config/systemd" \
    "$home/.config" "$home/.local/share" "$home/.local/state" "$home/.local" 2>/dev/null || :
  say 'The agent is removed. Retire the node at the hub: ocm nodes retire NODE'
}

usual=$home/.local/state/ocm-agent
if [ -n "$uninstall" ]; then
  [ -n "$state" ] || state=$(state_of_service)
  state=${state:-$usual}
  remove
  exit 0
fi

[ -n "$hub" ] || {
  usage >&2
  exit 2
}
state=${state:-$usual}
plain "$home"
plain "$state"
plain "$openclaw_home"
[ -z "$openclaw_bin" ] || plain "$openclaw_bin"
if [ -n "$self_signed" ] && [ -z "$sha256$key" ]; then
  die '--self-signed needs --agent-sha256 or --release-key: something has to vouch for the program'
fi
source=${mirror:-$hub/install}
# Whole addresses of this machine: `http://127.0.0.1.example` and `http://localhost:x@example` are elsewhere.
is_here() {
  printf '%s' "$1" | LC_ALL=C grep -Eqx 'http://(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?(/.*)?'
}
case $source in
  https://*) ;;
  *) is_here "$source" || [ -n "$sha256$key" ] || die 'over plain http the program needs --agent-sha256 or --release-key' ;;
esac

# OpenClaw needs it itself, so there is one; the first in PATH is often an older one. The program ends on anything below.
NEW_ENOUGH='
const [major, minor] = process.versions.node.split(".").map(Number)
major > 24 || (major === 24 && minor >= 16)
'
is_new_enough() {
  [ -x "$1" ] && [ "$("$1" -p "$NEW_ENOUGH" 2>/dev/null)" = true ]
}

find_node() {
  for candidate in "${OCM_NODE:-}" "$(command -v node || :)" \
    "$home"/.nvm/versions/node/*/bin/node "$home"/.volta/tools/image/node/*/bin/node \
    "$home"/.local/share/fnm/node-versions/*/installation/bin/node "$home"/.fnm/node-versions/*/installation/bin/node \
    "$home"/.local/share/mise/installs/node/*/bin/node "$home"/.asdf/installs/nodejs/*/bin/node \
    /usr/local/bin/node /opt/homebrew/bin/node /usr/lib/ocm-agent/node /usr/bin/node; do
    if is_new_enough "$candidate"; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  # What runs as this account now, the gateway above all. Root sees those of others, and runs none of them.
  [ "$(id -u)" != 0 ] || return 1
  for running in /proc/[0-9]*/exe; do
    candidate=$(readlink "$running" 2>/dev/null || :)
    case $candidate in
      */node) if is_new_enough "$candidate"; then
        printf '%s' "$candidate"
        return 0
      fi ;;
    esac
  done
  return 1
}

node=$(find_node) || die 'no Node of 24.16 or newer found; name it: OCM_NODE=/path/to/node sh install-agent.sh ...'
plain "$node"

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ocm-install.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

fetch() {
  if [ -n "$proxy" ]; then
    http_proxy=$proxy https_proxy=$proxy
    export http_proxy https_proxy
  fi
  if command -v curl >/dev/null 2>&1; then
    curl -fsS ${self_signed:+--insecure} --proto '=http,https' --max-time 300 -o "$2" "$1"
  elif command -v wget >/dev/null 2>&1; then
    wget -q ${self_signed:+--no-check-certificate} -T 300 -O "$2" "$1"
  else
    die 'neither curl nor wget is here'
  fi
}

# Takes the program out of a release when its statement is signed with the key; see docs/protocol.md.
# shellcheck disable=SC2016
VERIFY='
const { createHash, createPublicKey, verify } = require("node:crypto")
const { readFileSync, writeFileSync } = require("node:fs")
const [from, to, key] = process.argv.slice(1)
const bytes = readFileSync(from)
let at = 0
function value() {
  const head = bytesOf[at++], kind = head >> 5
  let n = head & 31
  if (n >= 24) { const size = 1 << (n - 24); n = Number(BigInt("0x" + bytesOf.subarray(at, at + size).toString("hex"))); at += size }
  if (kind === 0) return n
  if (kind === 2) return bytesOf.subarray(at, (at += n))
  if (kind === 3) return bytesOf.subarray(at, (at += n)).toString()
  if (kind === 5) return Object.fromEntries(Array.from({ length: n }, () => [value(), value()]))
  throw new Error("not a release")
}
let bytesOf
const read = (of) => { bytesOf = of; at = 0; return value() }
const { statement, program } = read(bytes)
const { b, k, s } = read(statement)
const pinned = Buffer.from(key, "base64url")
const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), pinned])
const signed = Buffer.concat([Buffer.from("ocm/1 statement agent-release\0"), b])
const isGood = pinned.length === 32 && pinned.equals(k) &&
  verify(null, signed, createPublicKey({ key: spki, format: "der", type: "spki" }), s)
const release = isGood ? read(b) : undefined
if (!release || release.bytes !== program.length || !createHash("sha256").update(program).digest().equals(release.sha256)) {
  console.error("install-agent: the release is not signed with this key")
  process.exit(1)
}
writeFileSync(to, program, { mode: 0o600 })
console.log("Release " + release.serial + " (" + release.version + "), signed with the key.")
'

got=$scratch/ocm-agent.mjs
if [ -n "$key" ]; then
  fetch "$source/agent-release" "$scratch/release" || die "no release at $source"
  "$node" -e "$VERIFY" "$scratch/release" "$got" "$key" || exit 1
else
  fetch "$source/ocm-agent.mjs" "$got" || die "no agent program at $source"
fi
# shellcheck disable=SC2016
sum=$("$node" -p 'crypto.createHash("sha256").update(fs.readFileSync(process.argv[1])).digest("hex")' "$got")
if [ -n "$sha256" ] && [ "$sum" != "$sha256" ]; then
  die "the program is another one than was named: $sum"
fi
version=$("$node" "$got" --version) || die 'the program does not run here'

mkdir -p "$folder"
cp "$got" "$program.new"
chmod 700 "$program.new"
mv -f "$program.new" "$program"
say "ocm-agent $version is in $program"

set -- --state "$state" --openclaw-home "$openclaw_home"
[ -z "$openclaw_bin" ] || set -- "$@" --openclaw-bin "$openclaw_bin"

if [ -e "$state/enrolment" ]; then
  say 'This agent is enrolled already; it stays the node that it is.'
elif [ -n "$join_file" ]; then
  case $(find "$join_file" -prune -perm -004 -o -prune -perm -040 2>/dev/null) in
    '') ;;
    *) die "others can read $join_file: chmod 600" ;;
  esac
  "$node" "$program" join "$@" --file "$join_file"
else
  if [ -t 0 ]; then
    printf 'Join string (it is not shown): '
    trap 'stty echo; exit 1' HUP INT TERM
    stty -echo
    IFS= read -r line || :
    stty echo
    trap 'exit 1' HUP INT TERM
    printf '\n'
  else
    IFS= read -r line || [ -n "${line:-}" ] || die 'the join string is expected on stdin'
  fi
  printf '%s\n' "$line" | "$node" "$program" join "$@" -
fi

by_hand() {
  say 'Nothing starts the agent by itself here. Run it as this account:'
  say "  $node --report-exclude-env $program run $*"
}

write_unit() {
  mkdir -p "${unit%/*}"
  cat >"$unit.new" <<UNIT
[Unit]
Description=OCM agent
StartLimitIntervalSec=0

[Service]
Type=notify
# Node cannot speak to the notify socket itself: systemd-notify, a child of the agent, does.
NotifyAccess=all
WatchdogSec=60
# What an apply left half done is put right before the agent is up.
TimeoutStartSec=30min
ExecStart=$node --report-exclude-env $program run $*
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
UNIT
  mv -f "$unit.new" "$unit"
}

# Not proven: written by the manual of launchd, run by nobody yet.
write_plist() {
  mkdir -p "${plist%/*}"
  {
    say '<?xml version="1.0" encoding="UTF-8"?>'
    say '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">'
    say '<plist version="1.0"><dict>'
    say '<key>Label</key><string>org.ocm.agent</string>'
    say '<key>ProgramArguments</key><array>'
    for word in "$node" --report-exclude-env "$program" run "$@"; do say "<string>$word</string>"; done
    say '</array>'
    say '<key>RunAtLoad</key><true/><key>KeepAlive</key><true/>'
    say '<key>Umask</key><integer>63</integer><key>ProcessType</key><string>Background</string>'
    say '</dict></plist>'
  } >"$plist"
}

if [ -z "$service" ]; then
  by_hand "$@"
elif [ "$(uname)" = Darwin ]; then
  write_plist "$@"
  say "Not proven on macOS. Start it: launchctl bootstrap gui/$(id -u) $plist"
elif user_manager; then
  write_unit "$@"
  systemctl --user daemon-reload
  systemctl --user enable ocm-agent.service >/dev/null 2>&1
  systemctl --user restart ocm-agent.service
  say 'The agent runs: systemctl --user status ocm-agent'
  if [ "$(loginctl show-user "$(id -un)" -p Linger --value 2>/dev/null || :)" != yes ]; then
    if loginctl enable-linger >/dev/null 2>&1; then
      say "Linger is on for $(id -un): the agent, and this account's other services, run while nobody is logged in."
      say 'To switch it off: loginctl disable-linger'
    else
      say "So that it runs while nobody is logged in, once, as root: loginctl enable-linger $(id -un)"
    fi
  fi
else
  by_hand "$@"
fi
