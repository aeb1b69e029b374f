/** What is printed once and kept away from the computer. */
export interface RecoveryKit {
  readonly code: string
  /** Fingerprints that `ocm-agent join`, `ocm-agent status` and the dashboard show too. */
  readonly vault: string
  readonly hub: string
  readonly madeAt: number
  /** The whole kit as plain text, ready to print. */
  readonly text: string
}

/** @param by.epoch named on every kit but the first, so that an old one is told from a new one. */
export function kitOf(
  code: string,
  vault: string,
  hub: string,
  by: { readonly name: string; readonly now: number; readonly epoch?: number },
): RecoveryKit {
  const day = new Date(by.now).toISOString().slice(0, 10)
  const text = [
    'OCM recovery kit',
    '',
    `Made on ${day} by ${by.name}.`,
    ...(by.epoch === undefined
      ? []
      : [
          `Epoch ${by.epoch} of the vault. Kits made before it open nothing any more: destroy them.`,
        ]),
    '',
    'Recovery code',
    `  ${code}`,
    '',
    'Fingerprint of the vault',
    `  ${vault}`,
    'Fingerprint of the hub',
    `  ${hub}`,
    '',
    'Print this page and keep it away from the hub and from your computer.',
    'Whoever has the code and a copy of the stored backups can read them all.',
    'Without the code, and without the passphrase, nobody can: not even the hub.',
    '',
    'You need the code when the passphrase is lost: ocm vault recover. The fingerprints',
    'tell you that you are talking to your own hub and your own vault: `ocm-agent join`',
    'and `ocm-agent status` print them on every node. If they differ, stop.',
    '',
  ].join('\n')
  return { code, vault, hub, madeAt: by.now, text }
}
