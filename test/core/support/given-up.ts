/** What the engine has compiled, and gives up where it forgets the shapes of the objects that it was compiled for. */
import assert from 'node:assert/strict'
import { script } from './script.ts'

interface Work {
  /** What `act` needs. */
  readonly before: string
  /** One operation, after which nothing of it is left. */
  readonly act: string
  /** Enough of them that they are compiled. */
  readonly times: number
  readonly rounds: number
  readonly after?: string
}

/** The names of the functions whose code is given up when all garbage is collected between two operations. */
export async function givenUp({ before, act, times, rounds, after = '' }: Work): Promise<string[]> {
  const lines = await script(
    `
      import { setTimeout as sleep } from 'node:timers/promises'
      ${before}
      class Forgotten { first = {}; second = 2 }
      function forgotten() { return new Forgotten() }
      let last
      async function work(times) {
        for (let i = 0; i < times; i++) {
          last = forgotten()
          ${act}
        }
      }
      for (let round = 0; round < ${rounds}; round++) {
        await work(${times})
        // The compiler works beside it, and what it has made is taken up by the next calls.
        await sleep(20)
        await work(${times / 30})
        last = undefined
        await sleep(1)
        gc()
      }
      ${after}
    `,
    '--expose-gc',
    '--trace-deopt',
  )
  const given = lines.filter((line) => line.includes('weak objects'))
  const names = given.flatMap((line) => /SharedFunctionInfo ([#\w]+)/.exec(line)?.[1] ?? [])
  // Of what nobody keeps an example, the code is given up: were it not so, this would show nothing.
  assert.ok(names.some((name) => name === 'forgotten' || name === 'work'))
  return names
}
