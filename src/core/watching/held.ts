/**
 * What is held outside of scopes: leases, transactions and values whose owner has to dispose them. One list, which runs
 * through the tickets themselves. What scopes hold is seen by walking the scopes: see open-apps.ts.
 */
import { ambient } from '../context.ts'
import { elapsed, roughNow } from '../deadline.ts'
import { detection } from './detection.ts'
import {
  acquired,
  acquiring,
  identityOf,
  released,
  timedOut,
  traced,
  type ResourceAcquired,
} from './events.ts'
import { isError } from '../errors/format.ts'
import { reportLeak, reportReturn } from './leaks.ts'
import { forgetNote, note, watchGarbage, type Note } from './notes.ts'
import { sweepWith } from './sweeping.ts'
import { tellTimeout } from './telling.ts'
import { addChild, childrenOf, removeChild, type Parent } from '../tree.ts'
import type { Scope } from '../types.ts'
import { usageOf, type Usage } from './usage.ts'

/** A scope, which counts what was acquired in it and is owned by somebody else. */
export interface Around extends Scope {
  outside: number
}

interface KindOptions {
  /** The pool that it comes from. */
  readonly pool?: string
  /** Milliseconds after which it is suspected; `Infinity` for what lives long by its nature. Default: the threshold. */
  readonly leakAfter?: number
}

/** What all acquisitions of one kind have in common: made once where many are to be expected. */
export class Kind {
  readonly resource: string
  readonly pool: string | undefined
  readonly leakAfter: number | undefined
  #usage: Usage | undefined = undefined

  constructor(resource: string, { pool, leakAfter }: KindOptions = {}) {
    this.resource = resource
    this.pool = pool
    this.leakAfter = leakAfter
  }

  /** Of the first one on: what is never acquired is not counted. */
  get usage(): Usage {
    return (this.#usage ??= usageOf(this.resource))
  }
}

/** What is held: a list like that of the children of a scope. */
const outside: Parent<Ticket> = { newestChild: undefined }

/**
 * One acquisition by somebody who will dispose it, or whose scope will. Asked for at the entry of the acquiring
 * function, where its caller can still be seen; `undefined` where nothing is to be watched.
 * @param lent a scope acquires it, and tells of it under a name of its own
 */
export function ticketFor(kind: Kind, lent = false): Ticket | undefined {
  return detection.counting || isListenedTo() ? new Ticket(kind, lent) : undefined
}

function isListenedTo(): boolean {
  const channels = [acquired, released, acquiring, timedOut]
  return channels.some(({ hasSubscribers }) => hasSubscribers)
}

/** Whether an acquisition failed by a deadline: of whoever waits, or of the resource that it is for. */
export function isTimeout(error: unknown): boolean {
  if (!isError(error)) return false
  return error.name === 'TimeoutError' || ('code' in error && error.code === 'ERR_ACQUIRE_TIMEOUT')
}

/** Everything that is held outside of scopes, oldest first. */
export function allHeld(): Ticket[] {
  return childrenOf(outside).toReversed()
}

/** `scope` has closed, and some of what was acquired in it is still held. It is looked for among the newest: many may leak. */
export function reportOutliving(scope: Around): void {
  const outliving: Ticket[] = []
  let at = outside.newestChild
  for (; at !== undefined && outliving.length < scope.outside; at = at.older) {
    if (at.scope === scope) outliving.unshift(at)
  }
  for (const ticket of outliving) ticket.leak('scope')
}

export class Ticket {
  older: Ticket | undefined = undefined
  newer: Ticket | undefined = undefined
  /** The scope in which it was acquired. */
  readonly scope: Around | undefined
  /** When it was held, on the clock of `roughNow`. */
  since = 0
  /** Something new was opened for it. */
  opened = false
  /** Somebody was told that it leaks. */
  suspected = false
  readonly note: Note | undefined
  readonly #kind: Kind
  readonly #lent: boolean
  readonly #asked: number = roughNow()
  #state: 'asked' | 'held' | 'lent' | 'released' = 'asked'
  #handle: WeakRef<object> | undefined = undefined

  constructor(kind: Kind, lent = false) {
    this.#kind = kind
    this.#lent = lent
    const scope = ambient()?.scope
    // Scopes of every copy of this package count; one that is older does not, and is not counted in.
    if (scope !== undefined && !scope.disposed && 'outside' in scope) this.scope = scope as Around
    if (detection.watching) this.note = note(this, kind.resource, scope)
  }

  get resource(): string {
    return this.#kind.usage.name
  }

  get pool(): string | undefined {
    return this.#kind.pool
  }

  /** What was acquired, if its acquisition was watched and it is not garbage. */
  get handle(): object | undefined {
    return this.#handle?.deref()
  }

  /** Whether somebody listens to how acquisitions go. */
  get isTraced(): boolean {
    return acquiring.hasSubscribers
  }

  /** Call `acquire` now, with the tracing channel around it where somebody listens. */
  trace<T>(acquire: () => Promise<T>): Promise<T> {
    if (!this.isTraced) return acquire()
    const { resource, scope, pool } = this
    const from = pool === undefined ? undefined : { pool }
    const message = {
      resource,
      lifetime: 'owned',
      scope: scope && identityOf(scope),
      ...from,
    } as const
    return traced(message, acquire, (pending) => pending)
  }

  /** @param handle of our own, never the driver's object: that stays alive in its pool */
  held(handle: object): void {
    const now = roughNow()
    this.since = now
    this.#state = 'held'
    add(this)
    if (acquired.hasSubscribers) acquired.publish(this.#message(elapsed(this.#asked, now)))
    if (this.note === undefined) return
    this.#handle = new WeakRef(handle)
    watchGarbage(handle, this.note)
  }

  /** A scope releases it: it is seen there, and nobody can forget it. */
  lend(): void {
    if (this.#state !== 'held') return
    remove(this)
    this.#state = 'lent'
    this.#forget()
  }

  /** Given back, or never got. The second time does nothing. */
  released(): void {
    const state = this.#state
    if (state === 'released') return
    this.#state = 'released'
    if (state === 'held') remove(this)
    if (state !== 'asked') this.#givenBack()
    this.#forget()
  }

  /** Nothing came of it. */
  failed(tookTooLong: boolean): void {
    this.released()
    if (!tookTooLong) return
    const waited = elapsed(this.#asked, roughNow())
    tellTimeout(this.scope, this.resource, 'acquire', Math.round(waited), this.pool)
  }

  leak(reason: 'age' | 'scope'): void {
    // Of what is lost all is said; and whoever was told of another one may have released this one.
    if (this.note?.lost === true || this.#state !== 'held' || !detection.counting) return
    const { resource, scope, since } = this
    // Before anybody is told, who may release it at once.
    this.suspected = true
    reportLeak(reason, this, { resource, scope, since, site: this.note?.site })
  }

  /** Whether it is held for too long by now; said once. */
  isOverdue(now: number): boolean {
    const limit = this.#kind.leakAfter ?? detection.threshold
    return now - this.since > limit && !this.suspected
  }

  #givenBack(): void {
    const now = roughNow()
    const heldMs = elapsed(this.since, now)
    this.#kind.usage.count(this.since, now)
    if (this.suspected) reportReturn(this, heldMs)
    if (!released.hasSubscribers) return
    const waitMs = elapsed(this.#asked, this.since)
    released.publish({ ...this.#message(waitMs), heldMs, releaseMs: 0 })
  }

  #forget(): void {
    if (this.note !== undefined) forgetNote(this)
  }

  #message(waitMs: number): ResourceAcquired {
    const { resource, scope, pool, opened } = this
    return {
      resource,
      lifetime: 'owned',
      scope: scope && identityOf(scope),
      waitMs,
      ...(pool !== undefined && { pool }),
      ...(opened && { opened }),
      ...(this.#lent && { lent: true }),
    }
  }
}

function add(ticket: Ticket): void {
  if (ticket.scope !== undefined) ticket.scope.outside += 1
  if (outside.newestChild === undefined) sweepWith(sweep)
  addChild(outside, ticket)
}

function remove(ticket: Ticket): void {
  if (ticket.scope !== undefined) ticket.scope.outside -= 1
  removeChild(outside, ticket)
}

/** Oldest first. Those with a limit of their own may be among the young, so all are looked at. */
function sweep(now: number): boolean {
  for (const ticket of allHeld()) if (ticket.isOverdue(now)) ticket.leak('age')
  return outside.newestChild !== undefined
}
