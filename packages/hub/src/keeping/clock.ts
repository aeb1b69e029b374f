/**
 * Whether the hub's clock is believed. Ages decide what may go, so a clock that was set years ahead, by mistake or by
 * somebody who wants backups gone, would make all of them old at once. The hub remembers when it last saw its clock; when
 * that is longer ago than a hub is likely to have slept, nothing is pruned or deleted by itself until the clock is set
 * right or an operator says that it is (`ocm retention resume`). There is no end to it by time: time is what is in doubt.
 */
const DAY_MS = 86_400_000
/** Half of the default lock: a jump that is not noticed leaves at least the other half. */
export const BELIEVED_MS = 7 * DAY_MS

export const isAhead = (now: number, seenAt: number): boolean => now - seenAt > BELIEVED_MS
