/**
 * The life of a scope: open → draining → closing → closed. What is acquired in it is released when it closes, after its
 * children, in reverse order, each exactly once. A closed scope holds nothing, so whatever keeps it keeps nothing else.
 */
import { cancel, settleFailure } from './abort.ts'
import type { Cancellation } from './cancellation.ts'
import { addChild, removeChild } from './children.ts'
import { Completion } from './completion.ts'
import {
  ambient,
  enterFrame,
  enterOpening,
  openFrame,
  outermostFrame,
  type Frame,
} from './context.ts'
import { roughNow } from './deadline.ts'
import { detection } from './detection.ts'
import { drain } from './drain.ts'
import { scopeClosed, scopeOpened } from './events.ts'
import type { Finalizer, Unwindable } from './finalizers.ts'
import { reportOutliving } from './held.ts'
import type { Holdings } from './holdings.ts'
import type { Inputs } from './inputs.ts'
import { reportUnthrown, scopeClosed as closedError } from './misuse.ts'
import type { Overrides } from './overrides.ts'
import { unbind } from './parked.ts'
import { releaseAlone } from './release-alone.ts'
import type { ScopeNode } from './scope.ts'
import type { Settings } from './settings.ts'
import { noteClosing } from './sites.ts'
import type { Tasks } from './tasks.ts'
import { tellClosed, tellIncomplete, tellOpened, tellUsedAfterClose } from './telling.ts'
import type { MaybePromise, Scope, ScopeKind, ScopeState } from './types.ts'
import { Unwinding } from './unwinding.ts'
import { abandonable } from './waiting.ts'

let opened = 0

/**
 * What a scope is to the other files of the core. `ScopeNode` adds the verbs of its users, and is the only heir. Nothing
 * here is #private, because each private name makes every scope dearer, and users see the interface `Scope` alone.
 */
export class Node implements Unwindable {
  readonly kind: ScopeKind
  readonly name: string
  readonly parent: ScopeNode | undefined
  readonly settings: Settings
  overrides: Overrides | undefined = undefined
  readonly unwinding: Unwinding
  readonly openedAt: number = roughNow()
  frame: Frame = openFrame()
  state: ScopeState = 'open'
  /** It ends with the body that runs in it. */
  running = false
  /** The body has settled, and the scope is open for its streams alone. */
  parked = false
  /** How many streams are bound here or below. */
  streams = 0
  cancellation: Cancellation | undefined = undefined
  holdings: Holdings | undefined = undefined
  inputs: Inputs | undefined = undefined
  tasks: Tasks | undefined = undefined
  newestChild: ScopeNode | undefined = undefined
  older: ScopeNode | undefined = undefined
  newer: ScopeNode | undefined = undefined
  /** How many things that were acquired in it, outside of its list, are still held. */
  outside = 0
  listeners: Listeners | undefined = undefined
  readonly number: number = ++opened
  closedAt: number | undefined = undefined

  constructor(parent: ScopeNode | undefined, kind: ScopeKind, name: string, settings: Settings) {
    this.parent = parent
    this.kind = kind
    this.name = name
    this.settings = settings
    this.unwinding = new Unwinding(
      this,
      kind === 'app' ? Completion.success : Completion.unknown,
      false,
    )
    if (parent !== undefined) {
      addChild(parent, this.scope)
      if (parent.cancellation?.cancelled === true) this.scope.abort(parent.cancellation.reason)
    }
    if (scopeOpened.hasSubscribers || detection.watching) tellOpened(this.scope)
  }

  /** Itself, by its whole type: there is no other heir. */
  get scope(): ScopeNode {
    return this as unknown as ScopeNode
  }

  get id(): string {
    return `s${this.number.toString(36)}`
  }

  /** The scope that owns what lives as long as a request: the nearest one of that kind; where there is none, the outermost below the app. An app has none. */
  get request(): ScopeNode | undefined {
    let outermost: ScopeNode | undefined
    for (let at: Node | undefined = this; at !== undefined; at = at.parent) {
      if (at.kind === 'request') return at.scope
      if (at.kind === 'scope') outermost = at.scope
    }
    return outermost
  }

  get root(): ScopeNode {
    let root = this.scope
    while (root.parent !== undefined) root = root.parent
    return root
  }

  get disposeTimeout(): number {
    return this.settings.disposeTimeout
  }

  get aborted(): boolean {
    return this.cancellation?.cancelled === true
  }

  runBody<R>(body: (scope: Scope) => MaybePromise<R>): Promise<R> {
    const { abandonAfter } = this.settings
    this.running = true
    if (detection.watching) noteClosing(this.scope, false)
    const bound = abandonAfter === undefined ? body : this.bound(body, abandonAfter)
    return enterOpening(this.frame, this.scope, this.unwinding, bound)
  }

  /** Close without a body. */
  conclude(): Promise<void> {
    if (detection.watching) noteClosing(this.scope, true)
    return enterFrame(this.frame, this.scope, closeIn, this.scope, undefined)
  }

  /** Close at once, where there is nothing to release and nobody to wait for. @returns whether there was not */
  concludeEmpty(): boolean {
    if (this.state !== 'open' || !this.unwinding.empty) return false
    if (this.tasks !== undefined || this.newestChild !== undefined) return false
    if (this.holdings?.quiet === false) return false
    void this.drain()
    this.finish()
    return true
  }

  /** What `settle` and `drain` come to in most scopes: nobody else is in them. */
  succeed(): boolean {
    if (this.state !== 'open' || this.streams > 0 || this.cancellation !== undefined) return false
    if (this.tasks !== undefined || this.newestChild !== undefined) return false
    if (this.holdings !== undefined && !this.holdings.quiet) return false
    this.unwinding.completion = this.unwinding.completion.succeed()
    this.state = 'closing'
    return true
  }

  settle(failure: { readonly error: unknown } | undefined): Promise<void> | undefined {
    if (this.state !== 'open') return this.ended()
    if (failure === undefined) this.unwinding.completion = this.unwinding.completion.succeed()
    else settleFailure(this.scope, failure.error, true)
    const parks = failure === undefined && this.streams > 0 && !this.aborted
    if (!parks) return undefined
    this.running = false
    this.parked = true
    return Promise.resolve()
  }

  /**
   * Resolves when everything is released; never rejects. A promise of its own for each caller, so that an error of the
   * promise that the first caller got is not taken for handled.
   */
  ended(): Promise<void> {
    if (this.state === 'closed') return Promise.resolve()
    return new Promise((resolve) => {
      this.listened().ended.push(resolve)
    })
  }

  taskFailed(error: unknown): void {
    cancel(this.scope, error)
  }

  unbind(settle: (completion: Completion) => Completion): Promise<void> {
    return unbind(this.scope, settle)
  }

  drain(): Promise<void> | undefined {
    if (this.unwinding.completion.status === 'unknown') this.endUnknown()
    return drain(this.scope)
  }

  /** Nobody said how it ended. An abort says it, too. */
  endUnknown(): void {
    const { cancellation, unwinding } = this
    if (cancellation?.requested === true) {
      unwinding.completion = unwinding.completion.abort(cancellation.reason)
    } else tellIncomplete(this.scope)
  }

  finish(): void {
    const { parent, listeners } = this
    this.state = 'closed'
    this.closedAt = roughNow()
    if (this.cancellation !== undefined) this.cancellation.release()
    this.holdings = undefined
    this.inputs = undefined
    this.tasks = undefined
    this.running = false
    this.parked = false
    this.frame = outermostFrame
    if (parent !== undefined) {
      removeChild(parent, this.scope)
      if (parent.listeners !== undefined) tell(parent.listeners.childClosed, this.scope)
    }
    if (this.outside > 0) reportOutliving(this.scope)
    if (scopeClosed.hasSubscribers || detection.followed > 0)
      tellClosed(this.scope, this.unwinding.completion, this.openedAt)
    if (listeners === undefined) return
    this.listeners = undefined
    tell(listeners.ended, this.scope)
  }

  whenChildCloses(listener: (child: ScopeNode) => void): void {
    this.listened().childClosed.push(listener)
  }

  /** @throws where nothing can be acquired any more */
  admit(call: string): void {
    this.admitWork(call)
    if (this.aborted) throw this.cancellation?.reason
  }

  /** @throws `ERR_SCOPE_CLOSED` where no work can begin any more */
  admitWork(call: string): void {
    if (this.state === 'closing' || this.state === 'closed') throw this.closedError(call)
  }

  register(call: string, finalizer: Finalizer): void {
    if (this.state !== 'closed') {
      this.unwinding.push(finalizer)
      return
    }
    // Nobody is left to release it later.
    void this.releaseLate(finalizer, this.unwinding.completion)
    throw this.closedError(call)
  }

  releaseLate(finalizer: Finalizer, completion: Completion): Promise<void> {
    const release = (): Promise<void> => releaseAlone(finalizer, this, completion)
    return enterFrame(this.frame, this.scope, call<Promise<void>>, release, undefined)
  }

  report(error: unknown, resource: string | undefined, late: boolean): void {
    reportUnthrown(this.settings.onError, error, this.scope, resource, late)
  }

  closedError(call: string): Error {
    tellUsedAfterClose(this.scope, call)
    return closedError(this.scope, call, this.closedAt)
  }

  /** Whether closing would wait for the caller: a descendant, a task, or what already runs because it closes. */
  awaitsCaller(): boolean {
    const caller = ambient()
    // What a closed scope left running is waited for by nobody.
    if (caller === undefined || caller.scope.disposed) return false
    if (caller.scope === this.scope) return this.state !== 'open' || caller.awaited === true
    for (let at = caller.scope.parent; at !== undefined; at = at.parent)
      if (at === this.scope) return true
    return false
  }

  bound<R>(body: (scope: Scope) => MaybePromise<R>, ms: number) {
    const onLate = (error: unknown): void => this.report(error, undefined, true)
    return (scope: Scope): Promise<R> => abandonable(scope, body, ms, onLate)
  }

  listened(): Listeners {
    this.listeners ??= { ended: [], childClosed: [] }
    return this.listeners
  }
}

interface Listeners {
  readonly ended: (() => void)[]
  readonly childClosed: ((child: ScopeNode) => void)[]
}

function tell<A>(listeners: readonly ((about: A) => void)[], about: A): void {
  for (const listener of listeners) listener(about)
}

function closeIn(scope: ScopeNode): Promise<void> {
  return scope.unwinding.close()
}

function call<R>(body: () => R): R {
  return body()
}
