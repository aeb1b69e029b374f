/** Makes the data set of the backup bench at a place of your choice: `--size small|large --out HOME`, `--change ROUND`. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { changeOnePercent, filesIn } from '../support/bench/change.ts'
import { type Size, datasetAt } from '../support/bench/dataset.ts'
import { scratch } from '../support/bench/scratch.ts'
import { keptHome } from '../support/bench/kept-home.ts'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'small' },
    out: { type: 'string' },
    change: { type: 'string' },
  },
})
if (values.out === undefined || (values.size !== 'small' && values.size !== 'large')) {
  console.error('dataset --out HOME [--size small|large] [--change ROUND]')
  process.exitCode = 2
} else if (values.change === undefined) {
  datasetAt(values.out, values.size satisfies Size, join(scratch, 'data'), keptHome())
  const files = filesIn(join(values.out, '.openclaw'))
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  console.log(`${files.length} files, ${(bytes / 1e6).toFixed(1)} MB`)
} else {
  const { bytes, percent } = changeOnePercent(values.out, Number(values.change))
  console.log(`${(bytes / 1e6).toFixed(2)} MB changed, ${percent.toFixed(2)} %`)
}
