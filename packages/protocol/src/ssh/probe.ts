/**
 * Finding a Node that can run the agent, in the words of any POSIX shell: what a login that is not interactive has in
 * PATH is often older than what OpenClaw runs on. Each candidate is asked for its version before it is used.
 *
 * The text travels inside single quotes through shells that are not POSIX (fish, csh): one line, without single quotes,
 * exclamation marks and line feeds.
 */
/** OpenClaw's own least version. */
export const LEAST_NODE = { major: 24, minor: 16 } as const

/** `try PATH` sets `node` when it will do, and keeps the version of one that is too old in `old`. */
const TRY =
  'try() { [ -x "$1" ] || return 1; v=$("$1" -p process.versions.node 2>/dev/null </dev/null) || return 1; ' +
  'a=${v%%.*}; b=${v#*.}; b=${b%%.*}; [ "$a" -ge 0 ] 2>/dev/null && [ "$b" -ge 0 ] 2>/dev/null || return 1; ' +
  `if [ "$a" -gt ${LEAST_NODE.major} ] || { [ "$a" -eq ${LEAST_NODE.major} ] && [ "$b" -ge ${LEAST_NODE.minor} ]; }; ` +
  'then node=$1; return 0; fi; old="$old $a.$b"; return 1; }'

/**
 * What the gateway of this account runs on at this moment. The directory belongs to whom the process does; the files in
 * it may be root's, also those of a stranger's process.
 */
const RUNNING =
  'running() { for p in $(grep -ls openclaw /proc/[0-9]*/cmdline 2>/dev/null); do p=${p%/cmdline}; ' +
  '[ -O "$p" ] && grep -qs gateway "$p/cmdline" || continue; x=$(readlink "$p/exe" 2>/dev/null) || continue; ' +
  'case $x in */node*) try "$x" && return 0;; esac; done; return 1; }'

/** What its unit starts it with: the first path behind ExecStart. */
const UNIT =
  'unit() { for u in "$HOME"/.config/systemd/user/openclaw*.service /etc/systemd/system/openclaw*.service ' +
  '/usr/local/lib/systemd/system/openclaw*.service /usr/lib/systemd/system/openclaw*.service; do [ -r "$u" ] || continue; ' +
  'x=$(sed -n "s/^ExecStart=[^/]*//p" "$u" | sed -n 1p | tr -d \\"); try "${x%% *}" && return 0; done; return 1; }'

const PLACES = [
  '"$(command -v node 2>/dev/null)"',
  '"${NVM_DIR:-$HOME/.nvm}"/versions/node/*/bin/node',
  '"${VOLTA_HOME:-$HOME/.volta}"/tools/image/node/*/bin/node',
  '"${FNM_DIR:-$HOME/.local/share/fnm}"/node-versions/*/installation/bin/node',
  '"$HOME"/.fnm/node-versions/*/installation/bin/node',
  '"${MISE_DATA_DIR:-$HOME/.local/share/mise}"/installs/node/*/bin/node',
  '"$HOME"/.asdf/installs/nodejs/*/bin/node',
  '"$HOME"/.nodenv/versions/*/bin/node',
  '"$HOME"/n/bin/node',
  '"$HOME"/.local/bin/node',
  '/usr/local/bin/node',
  '/usr/local/n/versions/node/*/bin/node',
  '/usr/local/lib/nodejs/*/bin/node',
  '/opt/homebrew/bin/node',
  '/opt/homebrew/opt/node*/bin/node',
  '/home/linuxbrew/.linuxbrew/bin/node',
  '/opt/node*/bin/node',
  '/usr/bin/node',
  '/usr/bin/nodejs',
] as const

/** What an account of its own writes to is nothing that root runs. */
const NOT_ROOTS = '/home/linuxbrew'
const ANY =
  `any() { for x in ${PLACES.join(' ')}; do case $x in ${NOT_ROOTS}/*) [ "$(id -u)" -ne 0 ] || continue;; esac; ` +
  'try "$x" && return 0; done; return 1; }'

/** Defines `find`: afterwards `node` is the path of one, or `old` lists the versions that will not do. */
export const PROBE = `${TRY}; ${RUNNING}; ${UNIT}; ${ANY}; find_node() { node=; old=; running || unit || any; }`
