/**
 * What happens, for whoever listens: the channels of `diagnostics_channel` and what is published on them. Names, ids and
 * times; never a value that was acquired, a parameter of a statement or a connection string.
 */
import { channel, tracingChannel, type TracingChannel } from 'node:diagnostics_channel'
import { isPromise } from '../dispose.ts'
import type { LeakReport, Lifetime, ScopeKind } from '../reports.ts'
import type { Outcome } from '../types.ts'

/** Which scope an event is about. */
export interface ScopeIdentity {
  /** Unique in its process. */
  readonly id: string
  /** As the options gave it, else its kind. */
  readonly name: string
  /** Whether it is the app, a request, or a block within one. */
  readonly kind: ScopeKind
}

/** `unwind:scope:opened`: a scope was opened. */
export interface ScopeOpened extends ScopeIdentity {
  /** The id of its app; that of an app is its own. */
  readonly app: string
  /** The id of the scope around it; an app has none. */
  readonly parent: string | undefined
}

/** `unwind:scope:closed`: everything in a scope is released. */
export interface ScopeClosed extends ScopeIdentity {
  /** The id of its app; that of an app is its own. */
  readonly app: string
  /** As changed by what failed while releasing. */
  readonly outcome: Outcome['status']
  /** Milliseconds from its opening until everything was released. */
  readonly durationMs: number
}

/** `unwind:resource:acquired`: something is held from now on. */
export interface ResourceAcquired {
  /** The name of the resource, of the held value, or `pg.lease` and the like for what is owned outside of scopes. */
  readonly resource: string
  /** `value`: given to `use`, `adopt` or `defer`. `owned`: acquired by somebody who disposes it. */
  readonly lifetime: Lifetime | 'value' | 'owned'
  /** The scope that releases it; for what is owned, the one in which it was acquired. */
  readonly scope: ScopeIdentity | undefined
  /** The pool that it came from. */
  readonly pool?: string
  /** Milliseconds that its acquisition took. */
  readonly waitMs: number
  /** A new connection was opened for it. */
  readonly opened?: boolean
  /** A resource acquired it, of which its scope tells too. */
  readonly lent?: boolean
}

/** `unwind:resource:released`: it is held no more. */
export interface ResourceReleased extends ResourceAcquired {
  /** Milliseconds from its acquisition until its release began. */
  readonly heldMs: number
  /** Milliseconds that the release took, where a scope did it. */
  readonly releaseMs: number
}

/** `unwind:resource:timeout`: an acquisition or a release took too long. */
export interface ResourceTimeout {
  /** The name of the resource, or what kind of lease it is. */
  readonly resource: string
  /** The scope that acquires or releases it; for what is owned, the one in which it was asked for. */
  readonly scope: ScopeIdentity | undefined
  /** The pool that it was to come from. */
  readonly pool?: string
  /** Which of the two took too long. */
  readonly phase: 'acquire' | 'release'
  /** How long it was given, in milliseconds. */
  readonly timeoutMs: number
}

/** `unwind:scope:used-after-close`: something was asked of a scope after its end. */
export interface ScopeUsedAfterClose extends ScopeIdentity {
  /** What was called: `get()`. */
  readonly call: string
}

/** `unwind:lease:used-after-release`: a handle was used after its release. */
export interface LeaseUsedAfterRelease {
  /** The handle in words: `The PostgreSQL connection`. */
  readonly lease: string
}

/** The message that goes through the tracing channel: one object for the whole acquisition. */
export interface ResourceAcquiring {
  /** The name of the resource, or what kind of lease it is. */
  readonly resource: string
  /** `owned`: acquired by somebody who disposes it. */
  readonly lifetime: Lifetime | 'owned'
  /** The scope that will release it; for what is owned, the one in which it was asked for. */
  readonly scope: ScopeIdentity | undefined
  /** The pool that it is to come from. */
  readonly pool?: string
  /** What the acquisition failed with. */
  error?: unknown
}

/** Every plain channel with its message: `subscribe('unwind:scope:closed', (message: Channels['unwind:scope:closed']) => …)`. */
export interface Channels {
  /** A scope was opened. */
  'unwind:scope:opened': ScopeOpened
  /** Everything in a scope is released. */
  'unwind:scope:closed': ScopeClosed
  /** A scope was left without `complete()`, so nobody knows whether its work is whole. */
  'unwind:scope:incomplete': ScopeIdentity
  /** Something was asked of a scope after its end. */
  'unwind:scope:used-after-close': ScopeUsedAfterClose
  /** Something is held from now on. */
  'unwind:resource:acquired': ResourceAcquired
  /** It is held no more. */
  'unwind:resource:released': ResourceReleased
  /** Something was not given back, or is held for suspiciously long. */
  'unwind:resource:leaked': LeakReport
  /** An acquisition or a release took too long. */
  'unwind:resource:timeout': ResourceTimeout
  /** A handle was used after its release. */
  'unwind:lease:used-after-release': LeaseUsedAfterRelease
}

/** A channel that only `M` is published on. */
interface Events<M> {
  readonly hasSubscribers: boolean
  publish(message: M): void
}

const plain: <Name extends keyof Channels>(name: Name) => Events<Channels[Name]> = channel

export const scopeOpened: Events<ScopeOpened> = plain('unwind:scope:opened')
export const scopeClosed: Events<ScopeClosed> = plain('unwind:scope:closed')
export const scopeIncomplete: Events<ScopeIdentity> = plain('unwind:scope:incomplete')
export const usedAfterClose: Events<ScopeUsedAfterClose> = plain('unwind:scope:used-after-close')
export const acquired: Events<ResourceAcquired> = plain('unwind:resource:acquired')
export const released: Events<ResourceReleased> = plain('unwind:resource:released')
export const leaked: Events<LeakReport> = plain('unwind:resource:leaked')
export const timedOut: Events<ResourceTimeout> = plain('unwind:resource:timeout')
export const usedAfterRelease: Events<LeaseUsedAfterRelease> = plain(
  'unwind:lease:used-after-release',
)

/**
 * The one tracing channel, around the wait for a resource: one message for each acquisition. The types of Node.js 24 name
 * the store first and those of 26 the message.
 */
export const acquiring: TracingChannel<ResourceAcquiring, ResourceAcquiring> =
  tracingChannel('unwind:acquire')

export function identityOf({ id, name, kind }: ScopeIdentity): ScopeIdentity {
  return { id, name, kind }
}

/**
 * Call `begin` as the tracing channel wants it: stores that are bound to it are entered, and the promise that
 * `pendingOf` finds in the result is followed. Only to be called where somebody has subscribed.
 */
export function traced<T>(
  message: ResourceAcquiring,
  begin: () => T,
  pendingOf: (begun: T) => unknown,
): T {
  const { start, end, asyncStart, asyncEnd, error: failed } = acquiring
  const fail = (error: unknown): void => {
    message.error = error
    failed.publish(message)
  }
  const settle = (): void => {
    asyncStart.publish(message)
    asyncEnd.publish(message)
  }
  const failLater = (error: unknown): void => {
    fail(error)
    settle()
  }
  return start.runStores(message, () => {
    try {
      const begun = begin()
      const pending = pendingOf(begun)
      if (isPromise(pending)) pending.then(settle, failLater)
      return begun
    } catch (error) {
      fail(error)
      throw error
    } finally {
      end.publish(message)
    }
  })
}
