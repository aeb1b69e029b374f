/** `ocm export`: a snapshot as one archive that OpenClaw itself takes, or as a plain tree. */
import { resolve } from 'node:path'
import { type ArchiveErrand, ArchiveResult, type Errand, WriteResult, check } from '@ocm/protocol'
import { asDraft, freeOrThrow } from '../node/draft.ts'
import { runErrand } from '../node/errand.ts'
import { readHeader } from '../snapshots/open.ts'
import { type Context, withVault } from './context.ts'
import { bytes, count, short } from './format.ts'
import { snapshotNamed } from './names.ts'
import { nextSteps } from './recover.ts'

export interface ExportOptions {
  readonly to?: string
}

const ARCHIVE = /\.(?:tar\.gz|tgz)$/

export async function exportSnapshot(
  context: Context,
  name: string,
  options: ExportOptions,
): Promise<void> {
  const { terminal, ports } = context
  const { id, node } = await snapshotNamed(ports.api, name)
  const to = resolve(options.to ?? `ocm-${short(id)}.tar.gz`)
  const isArchive = ARCHIVE.test(to)
  const kind = isArchive ? 'file' : 'directory'
  // Before the question: nobody should type a passphrase for nothing.
  await freeOrThrow(to, kind)
  await withVault(context, async (unlocked) => {
    const { header, statement, signer } = await readHeader(ports, unlocked, node, id)
    const { epoch } = header
    const source: ArchiveErrand['source'] = {
      header: statement,
      signer,
      keys: [{ epoch, sealing: unlocked.epochs.of(epoch).secret }],
      store: null,
    }
    const errandTo = (draft: string): Errand =>
      isArchive
        ? { kind: 'archive', source, to: draft }
        : { kind: 'write', source, to: draft, home: null, sections: null, partial: false }
    const result = await asDraft(to, kind, (draft) =>
      runErrand(errandTo(draft), { fetch: (...range) => ports.api.packBytes(...range) }),
    )
    if (isArchive) {
      const done = check(ArchiveResult, result, 'answer of the agent program')
      for (const warning of done.warnings) terminal.say(`Note: ${warning}`)
      terminal.result(
        { snapshot: id, to, ...done },
        `${to}: ${count(done.files, 'file')}, ${bytes(done.bytes)}, ${bytes(done.archiveBytes)} packed.\n` +
          'It is not encrypted: whoever reads it has the keys of that node. OpenClaw checks it with\n' +
          `  openclaw backup verify ${to}`,
      )
    } else {
      const done = check(WriteResult, result, 'answer of the agent program')
      const { state = '', home = '' } = done.roots
      terminal.result(
        { snapshot: id, to, ...done },
        [
          `${count(done.files, 'file')}, ${bytes(done.bytes)}, below ${to}. They are not encrypted.`,
          ...nextSteps(to, null, state, home),
        ].join('\n'),
      )
    }
  })
}
