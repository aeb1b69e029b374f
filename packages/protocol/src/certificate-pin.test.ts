import { expect, test } from 'vitest'
import { readCertificatePin, writeCertificatePin } from './certificate-pin.ts'

const pin = Uint8Array.from({ length: 32 }, (_, n) => n * 8)
const text = writeCertificatePin(pin)

test('is written as browsers show it, and read as people copy it', () => {
  expect(text).toMatch(/^00:08:10:(?:[0-9A-F]{2}:){28}F8$/)
  for (const copied of [
    text,
    ` ${text.toLowerCase()}\n`,
    text.replaceAll(':', ''),
    `SHA256:${text}`,
    `sha256 Fingerprint=${text}`,
  ]) {
    expect(readCertificatePin(copied)).toEqual(pin)
  }
})

test.each(['', text.slice(3), `${text}:00`, text.replace('F8', 'G8')])('refuses %j', (copied) => {
  expect(() => readCertificatePin(copied)).toThrow('fingerprint of a certificate')
})
