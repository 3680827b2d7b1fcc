/**
 * `Server-Timing`: what the resources of a request cost, in the head of its answer, where the Network panel of a browser
 * shows it. It is made of what the core publishes, and nobody listens to that unless an adapter was asked for it.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { ServerResponse } from 'node:http'
import { tryCurrentScope } from '../core/ambient.ts'
import { sharpen } from '../core/deadline.ts'
import type {
  ResourceAcquired,
  ResourceReleased,
  ScopeClosed,
  ScopeIdentity,
} from '../core/watching/events.ts'
import type { Scope } from '../core/types.ts'

/** Heads have their limits. */
const most = 50

/** One resource, in milliseconds. */
interface Cost {
  readonly resource: string
  readonly acquire: number
  /** When it was there, on the clock of `performance`. */
  readonly since: number
  held?: number
  release?: number
}

const timings = new Map<string, Timing>()
let listening = false

/** What is acquired in one scope and below, and what it cost so far. */
export class Timing {
  readonly #costs: Cost[] = []

  constructor(scope: Scope) {
    timings.set(scope.id, this)
  }

  acquired({ resource, waitMs }: ResourceAcquired): void {
    if (this.#costs.length >= most) return
    this.#costs.push({ resource, acquire: waitMs, since: performance.now() })
  }

  released({ resource, heldMs, releaseMs }: ResourceReleased): void {
    const cost = this.#costs.findLast((one) => one.resource === resource && one.held === undefined)
    if (cost !== undefined) Object.assign(cost, { held: heldMs, release: releaseMs })
  }

  /** What is still held has no release yet. `undefined`: there is nothing to tell. */
  get header(): string | undefined {
    if (this.#costs.length === 0) return undefined
    const now = performance.now()
    const metrics = this.#costs.flatMap(
      ({ resource, acquire, since, held = now - since, release }) => [
        metric(resource, 'acquire', acquire),
        metric(resource, 'held', held),
        ...(release === undefined ? [] : [metric(resource, 'release', release)]),
      ],
    )
    return metrics.join(', ')
  }
}

/** From now on, what the resources of `scope` cost goes with the head of `response`. */
export function timeInto(scope: Scope, response: ServerResponse): void {
  const timing = new Timing(scope)
  // All its overloads at once.
  const writeHead = response.writeHead.bind(response) as (...given: unknown[]) => ServerResponse
  // Every way of sending a head comes through here.
  response.writeHead = (...given: unknown[]): ServerResponse => {
    const { header } = timing
    if (header !== undefined && !response.headersSent)
      response.appendHeader('Server-Timing', header)
    return writeHead(...given)
  }
}

/** Before the first request that is timed: its clock has to be exact by then. */
export function prepareTiming(): void {
  if (listening) return
  listening = true
  sharpen()
  subscribe('unwind:resource:acquired', (message) => {
    // The one of this channel.
    const event = message as ResourceAcquired
    if (counts(event)) timingOf(event.scope)?.acquired(event)
  })
  subscribe('unwind:resource:released', (message) => {
    // The one of this channel.
    const event = message as ResourceReleased
    if (counts(event)) timingOf(event.scope)?.released(event)
  })
  subscribe('unwind:scope:closed', (message) => {
    // The one of this channel.
    timings.delete((message as ScopeClosed).id)
  })
}

/** What is lent is told under the name of its resource. */
function counts({ lifetime, lent }: ResourceAcquired): boolean {
  return lifetime !== 'value' && lent !== true
}

/** That of the scope that owns it, or of the request that it was acquired in. */
function timingOf(scope: ScopeIdentity | undefined): Timing | undefined {
  const own = scope && timings.get(scope.id)
  if (own !== undefined) return own
  for (let at = tryCurrentScope(); at !== undefined; at = at.parent) {
    const around = timings.get(at.id)
    if (around !== undefined) return around
  }
  return undefined
}

/** A name is a token: whatever else is in it is not sent. */
function metric(resource: string, phase: string, milliseconds: number): string {
  const name = resource.replaceAll(/[^\w!#$%&'*+.^`|~-]+/g, '_')
  return `${name}-${phase};dur=${Math.round(milliseconds * 100) / 100}`
}
