/**
 * What only some scopes have: an abort, tasks, inputs, streams.
 */
import type { Cancellation } from './cancellation.ts'
import type { Inputs } from './resources/inputs.ts'
import type { Instance } from './resources/instance.ts'
import type { Overrides } from './resources/overrides.ts'
import type { ScopeNode } from './scope.ts'
import type { Tasks } from './tasks.ts'

/** Made for the first of it, so that all others carry one field. */
export class Extras {
  cancellation: Cancellation | undefined = undefined
  tasks: Tasks | undefined = undefined
  overrides: Overrides | undefined = undefined
  inputs: Inputs | undefined = undefined
  /** The resource whose acquire function runs it, and may wait for it. */
  neededBy: Instance | undefined = undefined
  /** How many streams are bound here or below. */
  streams = 0
  /** The body has settled, and the scope is open for its streams alone. */
  parked = false
  /** Fails with it: whoever ran it, and is over, had been told that it went well. */
  heir: ScopeNode | undefined = undefined
  /** What is around it closes, and waits for nothing but its end: no stream keeps it open any more. */
  awaited = false
  /** An app in its lame duck: it is closed before that is over. */
  whenClosing: (() => void) | undefined = undefined
  whenChildCloses: ((child: ScopeNode) => void) | undefined = undefined
}
