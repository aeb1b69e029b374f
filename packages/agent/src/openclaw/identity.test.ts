import { expect, test } from 'vitest'
import { configWithoutIdentity } from './identity.ts'

test('of channels whose plugins come from elsewhere no login is left either, whatever it is called', () => {
  const channels = {
    wecom: { corpId: 'c', encodingAESKey: 'aes', groups: ['g'] },
    matrix: { homeserver: 'https://m.example', recoveryKey: 'words', languageCode: 'en' },
    tlon: { ship: '~zod', code: 'lidlut-tabwed' },
    'synology-chat': { accounts: { home: { incomingUrl: 'https://nas.example/?token=t' } } },
  }
  expect(configWithoutIdentity({ channels })['channels']).toEqual({
    wecom: { corpId: 'c', groups: ['g'], enabled: false },
    matrix: { homeserver: 'https://m.example', languageCode: 'en', enabled: false },
    tlon: { ship: '~zod', enabled: false },
    'synology-chat': { accounts: { home: {} }, enabled: false },
  })
})
