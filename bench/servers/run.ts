/**
 * `node bench/servers/run.ts [--quick] [--memory] [--suite http|fastify|hono]...`, after `npm run build`
 * CPU time per request, over real sockets or (`--memory`) without a kernel, against the server alone and against the
 * peers doing the same work, each in a process of its own (apart.ts). The exit code is 1 if a variant does not do what it
 * is timed for.
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would time each other
import { parseArgs } from 'node:util'

import { describeMachine, machine } from '../report.ts'
import { measureApart, tell, type PriceApart } from './apart.ts'
import { full, measure, quick, type Suite } from './slices.ts'

const known = ['http', 'fastify', 'hono']

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    memory: { type: 'boolean', default: false },
    suite: { type: 'string', multiple: true, default: known },
    only: { type: 'string' },
  },
})
const { quick: brief, memory, only } = values
for (const name of values.suite) {
  if (!known.includes(name)) throw new Error(`No suite "${name}". Known: ${known.join(', ')}.`)
  const { open } = (await import(`./${name}.ts`)) as { open: () => Suite | Promise<Suite> }
  await using suite = await open()
  if (only !== undefined) {
    const variants = suite.variants.filter((variant, at) => at === 0 || variant.name === only)
    tell(await measure(variants, brief ? quick : full, memory))
    continue
  }
  console.log(`\n${name}: ${suite.question}\n${describeMachine(machine(process.execPath))}\n`)
  const given = ['--suite', name, ...(brief ? ['--quick'] : []), ...(memory ? ['--memory'] : [])]
  const names = suite.variants.map((variant) => variant.name)
  console.log(table(await measureApart(import.meta.filename, given, names)))
}

function table(prices: readonly PriceApart[]): string {
  const width = Math.max(...prices.map(({ name }) => name.length))
  const lines = prices.map(({ name, ratio, quartiles: [low, high], microseconds, base }, at) => {
    const more = at === 0 ? '' : `${signed((ratio - 1) * base)} µs`
    const half = `(${low.toFixed(2)}–${high.toFixed(2)})`
    return `${name.padEnd(width)}  ${ratio.toFixed(3)}  ${half}  ${microseconds.toFixed(1).padStart(6)} µs  ${more}`
  })
  return lines.join('\n')
}

function signed(microseconds: number): string {
  return `${microseconds < 0 ? '−' : '+'}${Math.abs(microseconds).toFixed(2)}`
}
