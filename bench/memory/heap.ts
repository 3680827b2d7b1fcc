/** What is on the heap when everything that is garbage has been collected. */
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
// The name is only there in contexts that are made after the flag.
const collect = runInNewContext('gc') as () => void

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
