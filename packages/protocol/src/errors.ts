/**
 * Every error a person can meet has one stable code, one sentence and one next step. It crosses every wire as
 * `{ code, facts }` and is rebuilt on the other side; facts never hold names, paths or secrets of a node.
 */
export type Retry = 'now' | 'later' | 'never'
export type Facts = Readonly<Record<string, string | number | boolean>>

interface Meaning {
  readonly says: (facts: Facts) => string
  /** What the operator does now. */
  readonly next: (facts: Facts) => string
  readonly retry: Retry
}

type Said = string | ((facts: Facts) => string)
const always = (said: Said) => (typeof said === 'string' ? () => said : said)

const meaning = (says: Said, next: Said, retry: Retry = 'never'): Meaning => ({
  says: always(says),
  next: always(next),
  retry,
})

/** Each `AddressWhy` in words. */
const ADDRESS_REFUSED: Readonly<Record<string, string>> = {
  empty: 'there is none',
  'too-long': 'it is too long',
  grammar: 'it is not of a plain form',
  zone: 'it names a zone',
  number: 'it is a number that some take for an address',
  unspecified: 'it is the address of no machine',
  multicast: 'it is the address of many machines',
  'link-local': 'it is a link-local address',
  metadata: 'it is where clouds keep their metadata',
}

/** Why a container was not entered, in words. */
const CONTAINER_WHY: Readonly<Record<string, string>> = {
  tool: ': there is no docker or podman of that name on the host',
  shell: ': there is no sh in it',
  refused: ': the engine is not running, or not for this account',
  container: ': there is none of that name, or it does not run',
}

export const MEANINGS = {
  // anywhere
  malformed: meaning(
    (f) => `The ${f['what'] ?? 'input'} is not well-formed.`,
    'Check that it was copied whole; if it came from OCM itself, it was damaged on the way.',
  ),
  'wrong-use': meaning((f) => `${f['what'] ?? 'This command was used wrongly'}.`, 'See --help.'),
  declined: meaning(
    'It was not approved, so nothing was changed.',
    'Run it again when you want it.',
  ),
  'secret-file-exposed': meaning(
    (f) => `Others can read the file that ${f['what']} names.`,
    'Take the rights of group and others away: chmod 600.',
  ),
  internal: meaning(
    'Something failed that OCM does not expect.',
    'Look for the request id in the log and report it.',
    'later',
  ),
  'not-found': meaning(
    (f) => `There is no such ${f['what'] ?? 'thing'}.`,
    'List what there is and choose one of those.',
  ),
  'not-allowed': meaning('This account may not do that.', 'Log in with an account that may.'),
  'version-unsupported': meaning(
    (f) => `This ${f['what'] ?? 'thing'} was made by a newer OCM.`,
    'Update the OCM on this side.',
  ),

  // keys and the vault
  'crypto-key-invalid': meaning('A key is not usable.', 'Make the key again.'),
  'seal-broken': meaning(
    'Something sealed does not open: it was changed, or it was not sealed to this key.',
    'Fetch it again; if it stays so, the stored copy is damaged.',
  ),
  'signature-invalid': meaning(
    (f) => `The signature on the ${f['what'] ?? 'statement'} is not valid.`,
    'Do not use it. Fetch it again; if it stays so, someone changed it.',
  ),
  'passphrase-wrong': meaning(
    'The passphrase does not open the vault.',
    'Type it again. If it is lost, the code of the printed kit opens the vault once more: ocm vault recover, or “I have lost the passphrase” in the dashboard.',
    'now',
  ),
  'recovery-code-wrong': meaning(
    'The recovery code does not open the vault.',
    'Compare it with the printed kit, group by group.',
    'now',
  ),
  'passphrase-weak': meaning(
    'The passphrase is too easy to guess.',
    'Take the six words that are proposed, or at least 16 characters.',
    'now',
  ),
  'passphrase-is-password': meaning(
    'The vault passphrase may not be the login password: the hub would know it.',
    'Choose another passphrase.',
    'now',
  ),
  'vault-record-stale': meaning(
    'The vault record is older than one already seen.',
    'Fetch the newest record; a hub that keeps serving an old one is not to be trusted.',
  ),
  'epoch-unknown': meaning(
    (f) => `The key of the vault's epoch ${f['epoch']} is not here.`,
    'It lies in the store as vault/epoch-N; without it the snapshots of that time do not open.',
  ),
  'handover-missing': meaning(
    'The vault has a new epoch, and nobody handed its key to this operator.',
    'Use the recovery code from the printed kit: ocm vault recover.',
  ),
  'vault-changed': meaning(
    'The hub serves a vault that is not the one pinned here.',
    'Compare the fingerprint with the printed recovery kit before going on.',
  ),

  // set-up and login
  'setup-closed': meaning('This hub is already set up.', 'Log in.'),
  'setup-link-invalid': meaning(
    'The set-up link is not valid.',
    'Use the link that the hub printed at its last start.',
  ),
  'login-failed': meaning('Name and password do not match.', 'Try again.', 'now'),
  'login-needed': meaning('You are not logged in.', 'Log in.', 'now'),
  'too-many-requests': meaning('Too many attempts.', 'Wait a minute and try again.', 'later'),
  'origin-refused': meaning(
    'The request came from another site.',
    "Open the dashboard at the hub's own address.",
  ),
  'host-refused': meaning(
    'The hub was addressed by a name it does not know.',
    'Open it by its address, or start it with --public-url.',
  ),

  // enrolment and the link
  'ticket-unknown': meaning('The hub does not know this ticket.', 'Issue a new one: ocm ticket.'),
  'ticket-expired': meaning('The ticket has expired.', 'Issue a new one: ocm ticket.'),
  'ticket-used': meaning(
    'The ticket was used before.',
    'Issue a new one; if you did not use it yourself, retire the node that did.',
  ),
  'ticket-altered': meaning(
    'The join string was changed or copied only in part.',
    'Copy it again, whole.',
  ),
  'hub-key-changed': meaning(
    'The hub that answered is not the one this node was enrolled with.',
    'Check the address. If the hub was rebuilt, enrol this node again.',
    'later',
  ),
  'certificate-changed': meaning(
    'The hub showed another certificate than the one that is pinned here.',
    'Somebody may be in between. If the hub has a new certificate on purpose, join or log in again with its fingerprint.',
    'later',
  ),
  'certificate-unknown': meaning(
    (f) => `Nobody vouches for the certificate of the hub (SHA-256 ${f['shown']}).`,
    'If the hub printed the same fingerprint when it started, name it: --certificate or OCM_CERTIFICATE.',
  ),
  'hub-unreachable': meaning(
    'The hub does not answer.',
    'Check its address and that it runs.',
    'later',
  ),
  'node-unknown': meaning('The hub does not know this node.', 'Enrol it with a new ticket.'),
  'node-revoked': meaning('This node was retired.', 'Enrol it again with a new ticket.', 'later'),
  'node-cloned': meaning(
    'Two machines use the identity of this node.',
    'Stop one of them for good, then let the other in again: ocm nodes readmit NODE.',
    'later',
  ),
  'node-unconfirmed': meaning(
    'The node is not confirmed by the vault, so it receives neither order nor key.',
    'Compare its fingerprint with `ocm-agent status` on the node and confirm it.',
  ),
  'node-offline': meaning(
    'The node is not connected.',
    ({ reach }) =>
      [
        ...(reach === 'ssh' ? [] : ['Start the agent there: ocm-agent run.']),
        ...(reach === 'agent'
          ? []
          : ['Where it is reached over ssh, lend what it takes to log in: ocm lend NODE.']),
      ].join(' '),
    'later',
  ),
  'node-busy': meaning(
    'The node is at work on another job.',
    'Wait for that job or cancel it.',
    'later',
  ),
  'release-refused': meaning(
    (f) =>
      f['why'] === 'failed'
        ? 'The agent has tried this release and gone back from it.'
        : `The agent does not take this release (${f['why']}).`,
    'Offer a release with a higher serial that was signed with the release key of this agent.',
  ),
  'already-enrolled': meaning(
    'This agent is enrolled already.',
    'Use another --state directory for another node, or remove this one.',
  ),
  'not-enrolled': meaning(
    'This agent is not enrolled.',
    'Run `ocm-agent join` with a join string.',
  ),
  'agent-running': meaning(
    (f) => `An agent is at work on this state directory already (pid ${f['pid']}).`,
    'Stop it, or name another --state directory.',
  ),
  'link-lost': meaning(
    'The connection to the node was lost.',
    'It is taken up again when the node is back.',
    'later',
  ),
  'link-replaced': meaning(
    'Another connection of this node took the place of this one.',
    'Nothing, if the agent was restarted. If it happens again and again, two agents run with one state directory.',
    'later',
  ),
  'hub-stopping': meaning('The hub is being stopped.', 'The agent comes back by itself.', 'later'),
  'deadline-passed': meaning('The other side did not answer in time.', 'Try again.', 'later'),

  // nodes without an agent
  'ssh-address-refused': meaning(
    (f) => `The ${f['what']} is refused: ${ADDRESS_REFUSED[String(f['why'])] ?? f['why']}.`,
    'Write user@host or user@host:2222. Names are plain, without options or spaces, addresses without a zone, paths absolute. Link-local and metadata addresses are never dialled.',
  ),
  'ssh-missing': meaning(
    'There is no OpenSSH client (8.5 or newer) on this machine.',
    'Install it beside the hub: apt install openssh-client.',
  ),
  'ssh-unreachable': meaning(
    (f) => `The host does not answer to ssh (${f['why']}).`,
    'Check address and port, and that sshd runs there.',
    'now',
  ),
  'ssh-host-key-unknown': meaning(
    'No key of this host has been approved.',
    'Look at the host first and compare the fingerprint with the one on its console.',
  ),
  'ssh-host-key-changed': meaning(
    'The host shows another key than the one that was approved. Nothing was sent to it.',
    'If the machine was not set up anew, somebody stands in between. Approve the new key only after comparing it on the console.',
  ),
  'ssh-too-weak': meaning(
    'The host offers only algorithms that are broken.',
    'Update the OpenSSH server there.',
  ),
  'ssh-auth-failed': meaning(
    'The host did not let this user in with what was lent.',
    'Check user and credential, and lend it again. One attempt was made.',
    'now',
  ),
  'ssh-passphrase-wrong': meaning(
    'The passphrase does not open the private key.',
    'Lend it again. Nothing was dialled.',
    'now',
  ),
  'ssh-key-unreadable': meaning(
    'This is not a private key that OpenSSH can read.',
    'Lend the file as ssh-keygen made it, whole.',
    'now',
  ),
  'ssh-sudo-failed': meaning(
    (f) =>
      f['why'] === 'missing'
        ? 'There is no sudo on the host.'
        : 'sudo did not allow it. One attempt was made.',
    'Log in as the account of OpenClaw itself, or check the sudo rule and its password.',
    'now',
  ),
  'ssh-container-failed': meaning(
    (f) => `The container could not be entered${CONTAINER_WHY[String(f['why'])] ?? ''}.`,
    'Check that it runs, and that the account may use docker or podman.',
    'now',
  ),
  'ssh-no-node': meaning(
    (f) =>
      f['found'] === ''
        ? 'There is no Node.js on the host.'
        : `Node.js on the host is too old (${f['found']}).`,
    'Install Node.js 24.16 or newer for the account of OpenClaw.',
  ),
  'ssh-no-answer': meaning(
    'The account answered with something else than the agent.',
    'It needs a shell that runs commands, or a forced command `ocm-agent stdio`.',
  ),
  'ssh-no-place': meaning(
    'The agent cannot write into its directory on the host.',
    'Make ~/.local/state writable for the account, and free space if the disk is full.',
  ),
  'ssh-bundle-altered': meaning(
    'The agent arrived altered on the host and was not run.',
    'Try again; if it stays so, somebody changes what is sent.',
    'now',
  ),
  'ssh-busy': meaning(
    (f) => `${f['most']} connections are open, which is as many as the hub makes.`,
    'Wait until one of them has ended, or release one.',
    'later',
  ),
  'ssh-by-command': meaning(
    'This host lies behind another one, which takes a credential to look through.',
    'Change it with the command, which asks for that: ocm nodes ssh NODE USER@HOST --jump USER@HOST.',
  ),
  'node-not-ssh': meaning(
    'This node has an agent of its own and needs no credential.',
    'If its agent does not run, start it there: ocm-agent run.',
  ),
  'ssh-dial-only': meaning(
    'This node is reached with the keys of your own machine, which are lent to nobody.',
    'Connect it from there and leave it running: ocm dial NODE.',
  ),
  'ssh-lease-ended': meaning(
    'The lease has ended, and the credential with it.',
    'Lend it again.',
    'now',
  ),
  'ssh-stored-stale': meaning(
    'The hub serves how this node is reached as it was before a change that was seen here.',
    'Lend nothing to it. If the hub was set back to a copy, say anew how the node is reached: ocm nodes ssh NODE USER@HOST; if not, the hub is not to be trusted.',
  ),
  'ssh-other-node': meaning(
    'The account is another node than the one that this was lent for.',
    'Check the address; if the account was enrolled anew, store its connection with that node.',
  ),
  'ssh-no-bundle': meaning(
    "The agent's program does not lie beside the hub's, so there is nothing to send.",
    'Install ocm-agent.mjs of the same version beside ocm-hub.mjs.',
  ),
  'ssh-borrower-failed': meaning(
    'The process that holds lent credentials ended.',
    'Lend it again; if it stays so, look into the log of the hub.',
    'now',
  ),

  'keys-exposed': meaning(
    "Others on this machine could read the agent's keys.",
    'Remove the --state directory and enrol the node again, with a directory that is its account’s alone.',
  ),

  // an agent that came over SSH stays
  'user-manager-missing': meaning(
    'The account has no service manager of its own (systemd --user) that answers.',
    'Allow it once as root on the node: loginctl enable-linger ACCOUNT. Without systemd, start the agent by hand: ocm-agent run.',
  ),
  'agent-not-back': meaning(
    'The agent was installed and does not dial the hub.',
    'Look at `systemctl --user status ocm-agent` on the node, and whether it reaches the hub under the address that was given.',
  ),
  'agent-not-installed': meaning(
    (f) => `The agent could not be installed (${f['step'] ?? 'program'}).`,
    'Look at `systemctl --user status ocm-agent` on the node, then try again; nothing of its history is lost.',
  ),

  // OpenClaw on the node
  'openclaw-missing': meaning(
    'No OpenClaw was found for this node.',
    'Install OpenClaw, or name it with --openclaw-home and --openclaw-bin.',
  ),
  'openclaw-older': meaning(
    (f) => `OpenClaw here (${f['here']}) is older than the one in the snapshot (${f['theirs']}).`,
    'Update OpenClaw on the target to at least that version.',
  ),
  'openclaw-newer': meaning(
    (f) => `OpenClaw here (${f['here']}) is newer than the one in the snapshot (${f['theirs']}).`,
    'It will upgrade the data when it starts, and there is no way back but the rollback copy. Allow it in the plan.',
  ),
  'openclaw-unhealthy': meaning(
    'OpenClaw did not become healthy after the change; the node was put back as it was.',
    'Open the job to see what its log said.',
  ),
  'trial-failed': meaning(
    (f) =>
      f['why'] === 'inventory'
        ? 'OpenClaw on the target started with a copy, but did not list all that was captured; both nodes are as they were.'
        : f['why'] === 'network'
          ? 'The target had promised its trial a network of its own and cannot give it one now; nothing was started, both nodes are as they were.'
          : 'OpenClaw on the target did not become ready with a copy of what was to be applied; both nodes are as they were.',
    'Open the log of the job to see what it said. Mend that on the source, or go without the trial: --no-trial.',
  ),
  'trial-unanswered': meaning(
    'The target did not find out in time how its trial went, and has ended it; both nodes are as they were.',
    'See what keeps the target busy (memory, disk) and try again, or go without the trial: --no-trial.',
  ),
  'config-not-editable': meaning(
    'The configuration of OpenClaw cannot be edited without changing what it means.',
    'Let OpenClaw write it anew on the source (openclaw config set), back it up again and try again.',
  ),
  'graft-config-unreadable': meaning(
    'The configuration in the snapshot cannot be read as a whole, so no parts can be taken out of it.',
    'Mend it on the source (openclaw config validate), back it up again, or apply the snapshot whole.',
  ),
  'graft-place-taken': meaning(
    'Where a chosen part is to be put, something lies already.',
    'Choose another place for it (--root), or move away what lies there; the job’s log names it.',
  ),
  'gateway-will-not-stop': meaning(
    'The gateway did not stop within its time.',
    'Stop it by hand on the node and try again.',
    'later',
  ),
  'source-fenced': meaning(
    'This node was moved away; its gateway may not start here.',
    'Use the node it was moved to, or restore this one from a snapshot.',
  ),

  // getting out and in
  'store-not-found': meaning(
    (f) => `There is no store of OCM here: ${f['what'] ?? 'nothing of it was found'}.`,
    "Name the directory with vault/ and snapshots/ in it; it is `packs` in the hub's data directory.",
  ),
  'copy-unusable': meaning(
    'This file is no copy of a hub, or it is damaged.',
    'Take another copy: one that `ocm-hub backup` made and that was moved whole.',
  ),
  'target-not-empty': meaning(
    'There is something already where it is to be written.',
    'Name a directory that is empty or not there yet.',
  ),
  'archive-refused': meaning(
    (f) =>
      `The archive is refused: ${f['why']}${f['entry'] === undefined ? '' : ` (entry ${f['entry']})`}.`,
    'Do not unpack it by other means unless you know who made it. Make it again on the node: openclaw backup create.',
  ),
  'archive-too-large': meaning(
    (f) => `The archive is refused: more ${f['what']} than the ${f['limit']} that are allowed.`,
    'If you know who made it, raise --max-ratio or make it again with less in it.',
  ),
  'archive-unreadable': meaning(
    'The archive cannot be read to its end.',
    'It was cut or damaged on its way: copy it again.',
  ),
  'errand-stopped': meaning(
    (f) => `The work was stopped: it used more ${f['limit']} than it may.`,
    'Nothing was kept. If the input is an archive from elsewhere, it is not to be trusted.',
  ),
  'errand-failed': meaning(
    'The agent program ended without an answer.',
    'Check that ocm-agent.mjs lies beside ocm.mjs and is of the same version.',
  ),

  // packs, snapshots, plans
  'pack-damaged': meaning(
    'A stored pack is damaged.',
    'Restore another snapshot, or run a new backup of the node; nothing was changed.',
  ),
  'verify-failed': meaning(
    'Not everything that was verified is whole.',
    'Back the nodes up again: what is missing or damaged is stored anew. Until then restore another snapshot, or this one with --partial.',
  ),
  'pack-missing': meaning(
    'A stored pack is missing.',
    'Run a new backup of the node: what is missing is sent again.',
    'now',
  ),
  'snapshot-damaged': meaning(
    (f) =>
      `What ${f['files']} ${f['files'] === 1 ? 'file' : 'files'} of this snapshot consist of is damaged or missing.`,
    'Take the rest with --partial, which says what is not there, or choose another snapshot.',
  ),
  'pack-mismatch': meaning('A pack does not match its name.', 'It is sent again.', 'now'),
  'snapshot-refused': meaning(
    (f) => `The snapshot does not fit the history of its node (${f['why']}).`,
    'Was the hub set back? Give it the newer packs and start it again. Was the node set back, or are the packs lost? Enrol it as a new one.',
  ),
  'snapshot-foreign': meaning(
    'The snapshot is of another node.',
    'Use move or clone to bring it here, or choose a snapshot of this node.',
  ),
  'snapshot-pruned': meaning(
    'The snapshot is pruned.',
    'Take that back while it can be (ocm prune --undo SNAPSHOT), or choose another one.',
  ),
  'undo-too-late': meaning(
    'The prune cannot be taken back: the grace is over, or packs of the snapshot are gone.',
    'Choose another snapshot.',
  ),
  'undo-refused': meaning(
    (f) => `The last apply on this node cannot be taken back (${f['why']}).`,
    'Restore one of its snapshots instead.',
  ),
  undone: meaning('This was taken back by an undo.', 'Apply it again when you want it.'),
  'target-off': meaning(
    'An operator attested that the target is off for good, so its word is not waited for any more.',
    'Nothing. If that machine comes back, switch its gateway off at once.',
  ),
  'source-online': meaning(
    'The source is connected, so it is not off.',
    'Order a move without --source-is-off: it is stopped and its last changes come along.',
    'now',
  ),
  'target-online': meaning(
    'The target of that move is connected, so it is not off.',
    'Undo the move at its target (ocm undo), or wait for the job to end.',
    'now',
  ),
  'retention-locked': meaning(
    (f) =>
      `The retention lock (${f['days']} days, the last ${f['last']}, ${f['graceHours']} hours of grace) is not lowered in passing.`,
    'Say that you lower it: ocm retention lock … --lower.',
  ),
  'plan-changed': meaning(
    'The node has changed since the plan was made.',
    'Look at the plan again and approve the new one.',
    'now',
  ),
  'plan-blocked': meaning(
    (f) => `The plan cannot be carried out (${f['why']}).`,
    'Remove what blocks it; the plan names it.',
  ),
  'order-invalid': meaning(
    (f) => `The node refuses the order (${f['why']}).`,
    'Make the plan again and approve it.',
  ),
  'disk-full': meaning(
    (f) => `The target needs ${f['needBytes']} bytes and has ${f['freeBytes']}.`,
    'Free space on the target; nothing was written.',
  ),
  'apply-failed': meaning(
    (f) => `Applying failed at step ${f['step']}; the node was put back as it was.`,
    'Open the job to see why.',
  ),
  'job-cut-off': meaning(
    'The job was cut off by a restart and cannot be taken up again.',
    'Start it again.',
    'now',
  ),
  'job-cancelled': meaning('The job was cancelled.', 'Start it again when you want it.', 'now'),
  'cancel-too-late': meaning(
    'The job can no longer be cancelled: it is changing a node.',
    'Wait for it to end; what fails is put back by itself.',
  ),
  'catalog-failed': meaning(
    (f) =>
      f['why'] === undefined
        ? 'The hub could not write its catalog.'
        : `The hub could not read or write its catalog: ${f['why']}.`,
    "Check the disk of the hub's data directory, or the PostgreSQL that has the catalog. The hub goes on when it is back.",
    'later',
  ),
  'catalog-in-use': meaning(
    'Another hub uses this catalog.',
    'Stop one of them. If its machine has just died, PostgreSQL notices within a minute.',
    'later',
  ),
  'catalog-elsewhere': meaning(
    (f) =>
      f['where'] === 'postgres'
        ? 'The catalog of this data directory is in PostgreSQL.'
        : 'The catalog of this data directory is in its file catalog.sqlite.',
    'Start the hub as before (--catalog-url-file or none). To change over: ocm-hub backup, then ocm-hub restore into an empty directory.',
  ),
  'packs-elsewhere': meaning(
    (f) => `The packs of this hub are in ${f['where']}.`,
    'Start the hub as before (--packs-s3 or none). To change over: docs/operations.md, “Packs in a bucket”.',
  ),
  'packs-of-another-hub': meaning(
    (f) => `In ${f['where']} is the store of another hub.`,
    'Bring that hub back (ocm-hub restore) or recover from its store (ocm recover); for a new hub name an empty place.',
  ),
  'store-failed': meaning(
    (f) =>
      f['why'] === undefined
        ? 'The hub could not store a pack.'
        : `The hub cannot use what it keeps packs in: ${f['why']}.`,
    "Check the disk of the hub's data directory, or the bucket that --packs-s3 names.",
    'later',
  ),
  'certificate-unusable': meaning(
    (f) =>
      f['why'] === 'mismatch'
        ? 'The key is not that of the certificate.'
        : `The TLS ${f['why'] === 'key' ? 'key' : 'certificate'} cannot be ${f['why'] === 'form' ? 'understood' : 'read'}.`,
    'Name PEM files with --tls-cert and --tls-key that the hub may read.',
  ),
  'port-taken': meaning(
    (f) => `Port ${f['port']} is in use.`,
    'Stop the other program or choose another port with --port.',
  ),
} as const satisfies Record<string, Meaning>

export type ErrorCode = keyof typeof MEANINGS

export class OcmError extends Error {
  override readonly name = 'OcmError'
  readonly code: ErrorCode
  readonly facts: Facts

  constructor(code: ErrorCode, facts: Facts = {}, options?: { readonly cause?: unknown }) {
    super((MEANINGS[code] as Meaning).says(facts), options)
    this.code = code
    this.facts = facts
  }

  get next(): string {
    return (MEANINGS[this.code] as Meaning).next(this.facts)
  }

  get retry(): Retry {
    return MEANINGS[this.code].retry
  }
}

/** What a code means whatever its facts are, which are shown by their names: “Port ‹port› is in use.” */
export function explain(code: ErrorCode): Pick<OcmError, 'message' | 'next' | 'retry'> {
  const names = new Proxy<Record<string, string>>({}, { get: (_, name) => `‹${String(name)}›` })
  const { says, next, retry } = MEANINGS[code] as Meaning
  return { message: says(names), next: next(names), retry }
}

/** Every code there is. */
export const CODES = Object.keys(MEANINGS) as readonly ErrorCode[]

/** What crosses a wire. A code this build does not know becomes 'internal' with the code among its facts. */
export interface WireError {
  readonly code: string
  readonly facts: Facts
}

export const toWireError = (error: unknown): WireError =>
  error instanceof OcmError
    ? { code: error.code, facts: error.facts }
    : { code: 'internal', facts: {} }

export const fromWireError = (error: WireError): OcmError =>
  Object.hasOwn(MEANINGS, error.code)
    ? new OcmError(error.code as ErrorCode, error.facts)
    : new OcmError('internal', { ...error.facts, code: error.code })
