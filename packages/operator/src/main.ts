/** `ocm`: the operator's hand. */
import { run } from './cli/program.ts'
import about from '../package.json' with { type: 'json' }

process.umask(0o077)
process.exitCode = await run(process, about.version)
