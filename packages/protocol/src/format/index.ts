export {
  type ExtentKeys,
  CUT_WINDOW_BYTES,
  contentHash,
  cutAfter,
  databaseExtentBytes,
  extentKeys,
  isOneExtent,
} from './extent.ts'
export { grantFor, packsFor } from './grant.ts'
export {
  EXTENT_MAX_BYTES,
  PACK_HEADER_MAX_BYTES,
  PACK_MAX_BYTES,
  SECRET_STEP_BYTES,
  SEGMENT_MAX_BYTES,
} from './limits.ts'
export {
  compareEntries,
  cutEntries,
  eachEntry,
  eachManifestPage,
  eachOtherPage,
  entriesPage,
  entryFromPage,
  manifestFromPages,
  manifestPages,
} from './manifest-pages.ts'
export {
  type OpenPack,
  type PackAtHand,
  type PackBytes,
  type PackHead,
  type PackOpener,
  type PackRanges,
  type VaultOpener,
  openPack,
  openPackAtHand,
  packKeyFor,
  readPackHead,
} from './open-pack.ts'
export {
  type FinishedPack,
  type NewSegment,
  PACK_ROOM,
  type Run,
  PackHeader,
  PackWriter,
  startRun,
} from './pack.ts'
export {
  type FetchRange,
  type OpenerOf,
  Packs,
  decodeRoot,
  findEntry,
  openerByGrants,
  openerByVault,
  readEntry,
  readManifest,
  readPages,
} from './reader.ts'
