import { ROOM } from '../askpass.ts'

/** Everything that ssh and its kin are started with. No credential, and nothing of the hub's own environment. */
export const childEnv = (askpass?: string, room?: string): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
  LC_ALL: 'C',
  SHELL: '/bin/sh',
  ...(askpass !== undefined && { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' }),
  ...(room !== undefined && { [ROOM]: room }),
})
