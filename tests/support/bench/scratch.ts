/** Where benches keep what takes long to make: data sets, the newer tools, the figures of earlier rounds. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const scratch: string =
  process.env['OCM_BENCH_DIR'] ?? join(tmpdir(), `ocm-bench-${process.getuid?.() ?? 0}`)
