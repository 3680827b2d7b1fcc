/**
 * One suite in a process of its own: `node bench/worker.ts SUITE [--quick]`, started by run.ts, which is sent the result.
 * The harness is imported before any suite, so that its empty context is empty.
 */
import { full, measure, quick, type Measured, type Suite } from './harness.ts'

const [name = '', effort] = process.argv.slice(2)
const { open } = (await import(`./micro/${name}.ts`)) as { open: () => Suite | Promise<Suite> }
const suite = await open()
try {
  const measured: Measured[] = await measure(suite, effort === '--quick' ? quick : full)
  process.send?.({ question: suite.question, measured })
} finally {
  await suite[Symbol.asyncDispose]?.()
  process.disconnect?.()
}
