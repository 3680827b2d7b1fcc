/** What is garbage, and what is not. */
import { setImmediate as turn } from 'node:timers/promises'
import { collect } from '../../support/collect.ts'

/** Collect until `condition` holds; false if it never does. What is pending has had its turns. */
export async function collectedUntil(condition: () => boolean): Promise<boolean> {
  for (let round = 0; round < 20; round++) {
    if (condition()) return true
    await turn()
    collect()
  }
  return condition()
}

/** Bytes that are still in use after a collection. */
export async function usedHeap(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    await turn()
    collect()
  }
  return process.memoryUsage().heapUsed
}
