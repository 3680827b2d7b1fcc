/** What does it cost to hold 3 resources that are released asynchronously? Baseline: an array, emptied from its end. */
import type { Suite } from '../harness.ts'
import { resources } from '../support/resources.ts'

export function open(): Suite {
  return resources(3)
}
