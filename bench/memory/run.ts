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
  'by hand: als.run + try/finally' | 'unwind: app.run + use' | 'unwind: app.child + use'

const ways: readonly Way[] = [
  'by hand: als.run + try/finally',
  'unwind: app.run + use',
  'unwind: app.child + use',
]

/** Bytes that an open scope may keep. */
const most = 1_300

/** Bytes that the heap may have grown by: what the compiler makes of hot code is on it too. */
const allowance = 256 * 1024

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
process.exitCode = (await main(values.quick)) ? 0 : 1

async function main(hurried: boolean): Promise<boolean> {
  const open = hurried ? 20_000 : 100_000
  const done = hurried ? 200_000 : 10_000_000
  console.log(`\nMemory of scopes\n${describeMachine(machine(process.execPath))}\n`)
  let good = true
  for (const way of ways) {
    const bytes = await numberOf('open.ts', way, open)
    good &&= bytes <= most || !way.startsWith('unwind')
    console.log(`${way.padEnd(32)}${bytes.toFixed(0).padStart(6)} bytes, ${number(open)} open`)
  }
  const grown = await numberOf('growth.ts', done)
  console.log(
    `\nThe heap grew by ${(grown / 1024).toFixed(0)} KB over ${number(done * 0.9)} scopes.`,
  )
  return good && grown <= allowance
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
