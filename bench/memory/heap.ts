/** What is on the heap when everything that is garbage has been collected. */
import { setImmediate as turn } from 'node:timers/promises'
import { collect } from '../../test/support/collect.ts'

/** Bytes. */
export async function heap(): Promise<number> {
  // What finalizers and settled promises held goes with the second and third.
  for (let times = 0; times < 4; times += 1) {
    collect()
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await turn()
  }
  return process.memoryUsage().heapUsed
}
