/** Variables whose name says that they hold a bot's token: of those that a clone leaves behind, so that both agree. */
import { isChannelVariable } from './identity.ts'

export const isBotToken = (name: string): boolean =>
  isChannelVariable(name) && /(?:TOKEN|SECRET|PASSWORD|KEY|AUTH)/.test(name)
