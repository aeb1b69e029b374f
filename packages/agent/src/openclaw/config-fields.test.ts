import { describe, expect, test } from 'vitest'
import { isAddress, meaningOf, portAt } from './config-fields.ts'

/** '*' for a key that people choose, '[]' for a place in a list. */
const keysOf = (field: string) => field.replaceAll('[]', '.0').replaceAll('*', 'x').split('.')

/** Every field of 2026.9.6 and of the plugins that come with it that means a place. */
const PATHS = `
agents.defaults.workspace agents.defaults.cwd agents.defaults.repoRoot agents.entries.*.workspace agents.list[].workspace
agents.entries.*.agentDir agents.list[].agentDir agents.entries.*.cwd agents.entries.*.runtime.acp.cwd bindings[].acp.cwd
worktreeRoot session.store logging.file agents.defaults.sandbox.workspaceRoot agents.defaults.sandbox.docker.workdir
agents.defaults.sandbox.docker.binds[] agents.entries.*.sandbox.docker.seccompProfile
agents.entries.*.sandbox.docker.apparmorProfile agents.defaults.sandbox.docker.setupCommand
agents.defaults.sandbox.browser.binds[] agents.entries.*.sandbox.ssh.identityFile
agents.entries.*.sandbox.ssh.certificateFile agents.entries.*.sandbox.ssh.knownHostsFile
agents.entries.*.sandbox.ssh.workspaceRoot agents.entries.*.sandbox.ssh.command memory.search.extraPaths[]
memory.search.extraPaths[].path memory.search.local.modelPath memory.search.store.vector.extensionPath
agents.entries.*.memory.search.extraPaths[] tools.exec.pathPrepend[] tools.exec.safeBinTrustedDirs[]
agents.entries.*.tts.prefsPath skills.load.extraDirs[] skills.load.allowSymlinkTargets[] hooks.transformsDir
hooks.internal.load.extraDirs[] plugins.load.paths[] mcp.servers.*.command mcp.servers.*.args[] mcp.servers.*.cwd
mcp.servers.*.env.* nodeHost.mcp.servers.*.command nodeHost.mcp.servers.*.args[] nodeHost.mcp.servers.*.cwd
models.providers.*.localService.command models.providers.*.localService.args[] models.providers.*.localService.cwd
tools.media.models[].command tools.media.models[].args[] tools.links.models[].command tools.links.models[].args[]
secrets.providers.*.path secrets.providers.*.command secrets.providers.*.args[] secrets.providers.*.trustedDirs[]
security.installPolicy.exec.command security.installPolicy.exec.args[] security.installPolicy.exec.trustedDirs[]
acp.runtime.installCommand gateway.tls.certPath gateway.tls.keyPath gateway.tls.caPath gateway.controlUi.root
gateway.remote.sshIdentity gateway.nodes.pairing.sshVerify.identity proxy.tls.caFile desktop.host.passwordFile
browser.executablePath browser.profiles.*.executablePath browser.profiles.*.userDataDir browser.profiles.*.mcpCommand
browser.profiles.*.mcpArgs[] browser.extraArgs[] env.vars.* gateway.terminal.shell
plugins.entries.active-memory.config.transcriptDir plugins.entries.crabbox.config.sandbox.binary
plugins.entries.cua-computer.config.driverPath plugins.entries.file-transfer.config.literalGrants[].canonicalPath
plugins.entries.file-transfer.config.literalGrants[].requestedPath
plugins.entries.file-transfer.config.nodes.*.allowReadPaths[] plugins.entries.file-transfer.config.nodes.*.denyPaths[]
plugins.entries.file-transfer.config.pendingReapprovals[].path plugins.entries.file-transfer.config.workspaces.*.remoteRoot
plugins.entries.memory-wiki.config.vault.path plugins.entries.memory-wiki.config.unsafeLocal.paths[]
plugins.entries.onepassword.config.opBin plugins.entries.policy.config.path channels.whatsapp.authDir
channels.whatsapp.accounts.*.authDir channels.telegram.tokenFile channels.telegram.trustedLocalFileRoots[]
channels.telegram.webhookCertPath channels.signal.transport.cliPath channels.signal.transport.configPath
channels.signal.transport.socketPath channels.imessage.cliPath channels.imessage.dbPath channels.imessage.attachmentRoots[]
channels.imessage.remoteAttachmentRoots[] channels.googlechat.serviceAccountFile channels.line.tokenFile
channels.line.secretFile channels.irc.passwordFile channels.irc.nickserv.passwordFile
channels.nextcloud-talk.botSecretFile channels.nextcloud-talk.apiPasswordFile channels.zalo.tokenFile
channels.clickclack.tokenFile channels.msteams.certificatePath channels.reef.stateDir channels.feishu.tts.prefsPath
channels.zalouser.profile channels.raft.profile models.$include`
  .trim()
  .split(/\s+/)

test.each(PATHS)('%s means a place', (field) => {
  expect(['structured', 'needed', 'program']).toContain(meaningOf(keysOf(field)))
})

test.each([
  ['mcp.servers.*.command', 'program'],
  ['tools.media.models[].command', 'program'],
  ['browser.executablePath', 'program'],
  ['channels.signal.transport.cliPath', 'program'],
  ['plugins.entries.onepassword.config.opBin', 'program'],
  ['mcp.servers.*.cwd', 'needed'],
  ['secrets.providers.*.path', 'needed'],
  ['channels.telegram.accounts.*.tokenFile', 'needed'],
  ['gateway.tls.certPath', 'needed'],
  // Made when it is missing, or on another machine.
  ['logging.file', 'structured'],
  ['session.store', 'structured'],
  ['channels.signal.transport.socketPath', 'structured'],
  ['agents.defaults.sandbox.docker.workdir', 'structured'],
  ['agents.defaults.sandbox.docker.setupCommand', 'structured'],
  ['plugins.entries.file-transfer.config.workspaces.*.remoteRoot', 'structured'],
  // Words, and what is nothing of either kind: a path in it is found all the same.
  ['agents.entries.*.systemPrompt', 'guess'],
  ['plugins.entries.third.config.odd', 'loose'],
  ['gateway.controlUi.basePath', 'loose'],
])('%s is looked at as %s', (field, as) => {
  expect(meaningOf(keysOf(field))).toBe(as)
})

describe('addresses and ports', () => {
  test.each([
    ['gateway.customBindHost', '100.64.0.7'],
    ['gateway.bind', '100.64.0.7'],
    ['gateway.publicOrigin', 'https://claw.example'],
    ['gateway.trustedProxies[]', '10.0.0.0/8'],
    ['gateway.remote.url', 'wss://other.example'],
    ['gateway.remote.sshTarget', 'al@other'],
    ['gateway.portals.ingress.domain', 'p.example'],
    ['gateway.nodes.browser.node', 'desk-1'],
    ['gateway.tailscale.serviceName', 'svc:claw'],
    ['tools.exec.node', 'desk-1'],
    ['agents.entries.*.tools.exec.node', 'desk-1'],
    ['mcp.apps.sandboxOrigin', 'https://s.example'],
    ['hooks.gmail.hookUrl', 'https://h.example/x'],
    ['hooks.gmail.serve.bind', '10.1.2.3'],
    ['hooks.gmail.tailscale.target', '8788/x'],
    ['discovery.wideArea.domain', 'd.example'],
    ['plugins.entries.device-pair.config.publicUrl', 'https://p.example'],
    ['agents.defaults.sandbox.ssh.target', 'al@box'],
    ['agents.defaults.sandbox.docker.extraHosts[]', 'db:10.0.0.2'],
    ['channels.telegram.webhookUrl', 'https://t.example'],
    ['channels.telegram.accounts.*.webhookHost', '10.0.0.2'],
    ['channels.sms.publicWebhookUrl', 'https://s.example'],
    ['channels.a2a.advertisedUrl', 'https://a.example'],
    ['channels.mattermost.commands.callbackUrl', 'https://m.example'],
    ['channels.mattermost.interactions.callbackBaseUrl', 'https://m.example'],
    ['channels.signal.transport.httpHost', '10.0.0.2'],
    ['channels.imessage.remoteHost', 'al@mac'],
  ])('%s says who this machine is, or whom it knows', (field, text) => {
    expect(isAddress(keysOf(field), text)).toBe(true)
  })

  test.each([
    ['gateway.bind', 'loopback'],
    ['channels.telegram.webhookHost', '127.0.0.1'],
    ['channels.irc.host', 'irc.example'],
    ['models.providers.*.baseUrl', 'https://api.example'],
  ])('%s with %j holds anywhere', (field, text) => {
    expect(isAddress(keysOf(field), text)).toBe(false)
  })

  test.each([
    ['mcp.apps.sandboxPort', 'listens'],
    ['hooks.gmail.serve.port', 'listens'],
    ['gateway.portals.ingress.port', 'listens'],
    ['channels.telegram.webhookPort', 'listens'],
    ['channels.msteams.webhook.port', 'listens'],
    ['agents.defaults.sandbox.browser.vncPort', 'listens'],
    ['browser.profiles.*.cdpPort', 'speaks'],
    ['desktop.host.port', 'speaks'],
    ['channels.signal.accounts.*.transport.httpPort', 'speaks'],
    ['gateway.port', undefined],
    ['gateway.remote.remotePort', undefined],
    ['channels.irc.port', undefined],
    ['channels.defaults.timeoutMs', undefined],
  ])('%s is a port this node %s', (field, is) => {
    expect(portAt(keysOf(field))).toBe(is)
  })
})
