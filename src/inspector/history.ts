/**
 * The scopes that closed lately, and what they waited for and held. Kept only while there is somebody who may look, from
 * what every subscriber of the channels could see.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { exactNow } from '../core/deadline.ts'
import type { Channels, ResourceReleased, ScopeClosed } from '../core/watching/events.ts'

/** Scopes that are kept, and resources of one scope. */
const kept = 50

/** One resource of a closed scope: its bar in a waterfall. */
export interface PastResource extends Pick<
  ResourceReleased,
  'resource' | 'lifetime' | 'waitMs' | 'heldMs' | 'releaseMs'
> {
  /** Milliseconds from the opening of the scope until its acquisition began. */
  readonly startMs: number
}

export interface PastScope extends ScopeClosed {
  /** Milliseconds since the epoch. */
  readonly closedAt: number
  /** In the order of their release. */
  readonly resources: readonly PastResource[]
}

interface Gone {
  readonly released: ResourceReleased
  readonly at: number
}

/** Open apps whose scopes are kept. */
const keptApps = 100

/** Scopes of which releases are kept until they close. */
const keptPending = 10_000

/** By the ids of their apps. A busy app does not push out what a quiet one did. */
const past = new Map<string, PastScope[]>()
/** What open scopes have released, by their ids. */
const pending = new Map<string, Gone[]>()
let lookers = 0

/** Until the result is called. What happened before is not known; while somebody listens, times are exact. */
export function keepHistory(): () => void {
  let looking = true
  lookers += 1
  if (lookers === 1) listen()
  return () => {
    if (!looking) return
    looking = false
    lookers -= 1
    if (lookers === 0) stop()
  }
}

/** Newest first. */
export function pastScopes(app: string): PastScope[] {
  return past.get(app)?.toReversed() ?? []
}

function listen(): void {
  subscribe('unwind:resource:released', onReleased)
  subscribe('unwind:scope:closed', onClosed)
}

function stop(): void {
  unsubscribe('unwind:resource:released', onReleased)
  unsubscribe('unwind:scope:closed', onClosed)
  past.clear()
  pending.clear()
}

function onReleased(message: unknown): void {
  // What is published on this channel has this type.
  const gone = message as Channels['unwind:resource:released']
  if (gone.scope === undefined || gone.lifetime === 'owned') return
  const list = pending.get(gone.scope.id) ?? []
  pending.set(gone.scope.id, list)
  // What comes too late is released after its scope closed, which never closes again.
  if (pending.size > keptPending) deleteOldest(pending)
  list.push({ released: gone, at: exactNow() })
  if (list.length > kept) list.shift()
}

function onClosed(message: unknown): void {
  // What is published on this channel has this type.
  const closed = message as Channels['unwind:scope:closed']
  const list = pending.get(closed.id) ?? []
  pending.delete(closed.id)
  if (closed.kind === 'app') {
    past.delete(closed.id)
    return
  }
  const openedAt = exactNow() - closed.durationMs
  const resources = list.map(({ released, at }) => pastResource(released, at - openedAt))
  const ofApp = pastOf(closed.app)
  ofApp.push({ ...closed, closedAt: Date.now(), resources })
  if (ofApp.length > kept) ofApp.shift()
}

function pastOf(app: string): PastScope[] {
  const known = past.get(app)
  if (known !== undefined) return known
  if (past.size >= keptApps) deleteOldest(past)
  const made: PastScope[] = []
  past.set(app, made)
  return made
}

function deleteOldest(map: Map<string, unknown>): void {
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}

/** @param endMs milliseconds from the opening of the scope until the end of the release */
function pastResource(released: ResourceReleased, endMs: number): PastResource {
  const { resource, lifetime, waitMs, heldMs, releaseMs } = released
  const startMs = Math.max(0, endMs - releaseMs - heldMs - waitMs)
  return { resource, lifetime, startMs, waitMs, heldMs, releaseMs }
}
