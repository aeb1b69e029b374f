/** Sizes of the stored format. A reader checks each before it allocates, so a hostile pack costs no more than these. */

const KIB = 1024
const MIB = 1024 * KIB

/** Plaintext of a segment, at most. */
export const SEGMENT_MAX_BYTES = MIB

/** A pack is closed when it has grown to this; it may end up larger by one segment and the footer. */
export const PACK_TARGET_BYTES = 16 * MIB
export const PACK_MAX_BYTES = 32 * MIB
export const PACK_MAX_SEGMENTS = 4096
export const PACK_HEADER_MAX_BYTES = 4 * KIB
export const PACK_FOOTER_MAX_BYTES = 256 * KIB

/** Files up to this are one extent. It is also the longest piece of a larger file. */
export const EXTENT_MAX_BYTES = 256 * KIB
/** Extents of class secret are followed by zeros up to a multiple of this, so that their length does not show. */
export const SECRET_STEP_BYTES = 4 * KIB

export const PAGE_MAX_ITEMS = 1024
export const PAGE_MAX_BYTES = 64 * MIB
export const MANIFEST_MAX_PAGES = 65_536
export const MANIFEST_MAX_BYTES = 1024 * MIB
