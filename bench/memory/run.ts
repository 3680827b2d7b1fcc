/**
 * `npm run bench:memory -- [--quick]`
 * How many bytes of heap does an open scope keep, with one resource in it, while 100,000 are open? And does the heap
 * grow with the number of scopes that have been: ten million? The exit code is 1 beyond 1,300 bytes, or if it grows.
 */
// oxlint-disable no-await-in-loop -- one process after the other
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { describeMachine, machine } from '../report.ts'

export type Way =
  | 'no context: try/finally'
  | 'als.run + try/finally'
  | 'unwind: app.run + use'
  | 'unwind: app.child + use'

/** Bytes that an open scope may keep, beside those of the body that waits in it. */
const most = 1_300

/** Bytes that the heap may have grown by: what the compiler makes of hot code is on it too. */
const allowance = 256 * 1024

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
process.exitCode = (await main(values.quick)) ? 0 : 1

async function main(hurried: boolean): Promise<boolean> {
  const open = hurried ? 20_000 : 100_000
  const done = hurried ? 200_000 : 10_000_000
  console.log(
    `\nMemory of ${number(open)} open scopes\n${describeMachine(machine(process.execPath))}\n`,
  )
  const body = await numberOf('open.ts', 'no context: try/finally', open)
  const hand = await numberOf('open.ts', 'als.run + try/finally', open)
  const scope = await numberOf('open.ts', 'unwind: app.run + use', open)
  const alone = await numberOf('open.ts', 'unwind: app.child + use', open)
  row('', 'bytes of each', 'without the body')
  row('no context: try/finally', body)
  row('als.run + try/finally', hand, hand - body)
  row('unwind: app.run + use', scope, scope - body)
  row('unwind: app.child + use', alone, alone)
  const grown = await numberOf('growth.ts', done)
  console.log(
    `\nThe heap grew by ${(grown / 1024).toFixed(0)} KB over ${number(done * 0.9)} scopes.`,
  )
  return Math.max(scope - body, alone) <= most && grown <= allowance
}

function row(way: Way | '', ...cells: (string | number)[]): void {
  const texts = cells.map((cell) => (typeof cell === 'number' ? cell.toFixed(0) : cell))
  console.log(way.padEnd(26), ...texts.map((text) => text.padStart(18)))
}

async function numberOf(script: string, ...parameters: (string | number)[]): Promise<number> {
  const child = fork(new URL(script, import.meta.url), parameters.map(String))
  let found = NaN
  child.on('message', (message) => (found = Number(message)))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`${script} ended with ${code}.`)
  return found
}

function number(count: number): string {
  return count.toLocaleString('en')
}
