/** Facts about nodes as the pages need them. */
import type { NodeState } from '@ocm/protocol'

/** What operators call a node; the beginning of its id when it is not known. */
export const labelOf = (
  nodes: readonly Pick<NodeState, 'id' | 'label'>[] | undefined,
  id: string,
): string => nodes?.find((node) => node.id === id)?.label ?? id.slice(0, 8)
