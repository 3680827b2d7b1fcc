/**
 * The life of a scope: open → draining → closing → closed. What is acquired in it is released when it closes, after its
 * children, in reverse order, each exactly once. A closed scope holds nothing, so whatever keeps it keeps nothing else.
 */
import { cancel, limit, settleFailure } from './abort.ts'
import type { Cancellation } from './cancellation.ts'
import { Children } from './children.ts'
import { Completion } from './completion.ts'
import { ambient, enterFrame, openFrame, outermostFrame, type Frame } from './context.ts'
import { roughNow } from './deadline.ts'
import { detection } from './detection.ts'
import { drain } from './drain.ts'
import { scopeClosed, scopeOpened } from './events.ts'
import { conclude, Unwinding, type Finalizer, type Host, type Unwindable } from './finalizers.ts'
import { reportOutliving } from './held.ts'
import type { Holdings } from './holdings.ts'
import type { Inputs } from './inputs.ts'
import { reportUnthrown, scopeClosed as closedError } from './misuse.ts'
import { Overrides } from './overrides.ts'
import { releaseAlone } from './release-alone.ts'
import type { ScopeNode } from './scope.ts'
import type { Settings } from './settings.ts'
import { noteClosing } from './sites.ts'
import type { Tasks } from './tasks.ts'
import { tellClosed, tellIncomplete, tellOpened, tellUsedAfterClose } from './telling.ts'
import type { MaybePromise, Scope, ScopeKind, ScopeOptions, ScopeState } from './types.ts'
import { abandonable } from './waiting.ts'

let opened = 0

/** What a scope is to the other files of the core. `ScopeNode` adds the verbs of its users, and is the only heir. */
export class Node implements Unwindable, Host {
  readonly kind: ScopeKind
  readonly name: string
  readonly parent: ScopeNode | undefined
  readonly settings: Settings
  readonly overrides: Overrides | undefined
  /** The scope that owns what lives as long as a request; an app has none. */
  readonly request: ScopeNode | undefined
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
  children: Children<ScopeNode> | undefined = undefined
  older: ScopeNode | undefined = undefined
  newer: ScopeNode | undefined = undefined
  /** How many things that were acquired in it, outside of its list, are still held. */
  outside = 0
  #onEnd: (() => void)[] | undefined = undefined
  #childClosed: ((child: ScopeNode) => void)[] | undefined = undefined
  readonly #number: number = ++opened
  #closedAt: number | undefined = undefined

  constructor(
    parent: ScopeNode | undefined,
    kind: ScopeKind,
    settings: Settings,
    options: ScopeOptions | undefined,
  ) {
    this.parent = parent
    this.kind = kind
    this.name = options?.name ?? kind
    this.settings = settings
    this.overrides = options?.overrides && Overrides.of(options.overrides)
    this.request = this.#requestAround(parent)
    const completion = new Completion(kind === 'app' ? 'success' : 'unknown')
    this.unwinding = new Unwinding(this, completion, false)
    if (parent !== undefined) this.#join(parent)
    if (options !== undefined) limit(this.scope, options)
    if (scopeOpened.hasSubscribers || detection.watching) tellOpened(this.scope)
  }

  /** Itself, by its whole type: there is no other heir. */
  get scope(): ScopeNode {
    return this as unknown as ScopeNode
  }

  get id(): string {
    return `s${this.#number.toString(36)}`
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
    // With a body, the value is the body's.
    return this.#conclude(
      abandonAfter === undefined ? body : this.#bound(body, abandonAfter),
    ) as Promise<R>
  }

  /** Close without a body. */
  conclude(): Promise<void> {
    return this.#conclude<void>(undefined)
  }

  /** Close at once, where there is nothing to release and nobody to wait for. @returns whether there was not */
  concludeEmpty(): boolean {
    if (this.state !== 'open' || !this.unwinding.empty) return false
    if (this.tasks !== undefined || this.children?.newest !== undefined) return false
    if (this.holdings?.quiet === false) return false
    void this.drain()
    this.finish()
    return true
  }

  settle(failure: { readonly error: unknown } | undefined): Promise<void> | undefined {
    if (this.state !== 'open') return this.ended()
    if (failure === undefined) this.unwinding.completion.succeed()
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
      this.#onEnd ??= []
      this.#onEnd.push(resolve)
    })
  }

  taskFailed(error: unknown): void {
    cancel(this.scope, error)
  }

  async unbind(settle: (completion: Completion) => void): Promise<void> {
    for (const scope of this.upToRoot()) {
      scope.streams -= 1
      if (scope.parked && scope.streams === 0) await scope.#leavePark(settle)
    }
  }

  /** This scope and those around it. */
  upToRoot(): Node[] {
    const scopes: Node[] = []
    for (let at: Node | undefined = this; at !== undefined; at = at.parent) scopes.push(at)
    return scopes
  }

  drain(): Promise<void> | undefined {
    const { completion } = this.unwinding
    const { cancellation } = this
    if (cancellation?.requested === true && completion.status === 'unknown') {
      completion.abort(cancellation.reason)
    }
    if (completion.status === 'unknown') tellIncomplete(this.scope)
    return drain(this.scope)
  }

  finish(): void {
    this.state = 'closed'
    this.#closedAt = roughNow()
    this.cancellation?.release()
    this.holdings = undefined
    this.inputs = undefined
    this.tasks = undefined
    this.running = false
    this.parked = false
    this.frame = outermostFrame
    this.parent?.removeChild(this.scope)
    if (this.outside > 0) reportOutliving(this.scope)
    if (scopeClosed.hasSubscribers || detection.followed > 0) this.#tellClosed()
    if (this.#onEnd === undefined) return
    for (const resolve of this.#onEnd) resolve()
    this.#onEnd = undefined
  }

  removeChild(child: ScopeNode): void {
    this.children?.remove(child)
    if (this.#childClosed === undefined) return
    for (const listener of this.#childClosed) listener(child)
  }

  whenChildCloses(listener: (child: ScopeNode) => void): void {
    this.#childClosed ??= []
    this.#childClosed.push(listener)
  }

  /** @throws where nothing can be acquired any more */
  admit(call: string): void {
    if (this.state === 'closing' || this.state === 'closed') throw this.closedError(call)
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
    return closedError(this.scope, call, this.#closedAt)
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

  #conclude<R>(body: ((scope: Scope) => MaybePromise<R>) | undefined): Promise<R | undefined> {
    if (detection.watching) noteClosing(this.scope, body === undefined)
    return enterFrame(this.frame, this.scope, conclude<ScopeNode, R>, this.scope, body)
  }

  #bound<R>(body: (scope: Scope) => MaybePromise<R>, ms: number) {
    const onLate = (error: unknown): void => this.report(error, undefined, true)
    return (scope: Scope): Promise<R> => abandonable(scope, body, ms, onLate)
  }

  #tellClosed(): void {
    tellClosed(this.scope, this.unwinding.completion, this.openedAt)
  }

  async #leavePark(settle: (completion: Completion) => void): Promise<void> {
    this.parked = false
    const { completion } = this.unwinding
    settle(completion)
    if (completion.status === 'failure') cancel(this.scope, completion.error)
    if (completion.status === 'aborted') cancel(this.scope, completion.reason)
    try {
      await this.conclude()
    } catch (error) {
      this.report(error, undefined, true)
    }
  }

  #join(parent: ScopeNode): void {
    parent.children ??= new Children()
    parent.children.add(this.scope)
    if (parent.aborted) this.scope.abort(parent.cancellation?.reason)
  }

  /** The nearest request; where there is none, the outermost scope below the app. */
  #requestAround(parent: ScopeNode | undefined): ScopeNode | undefined {
    if (this.kind === 'app') return undefined
    return this.kind === 'request' ? this.scope : (parent?.request ?? this.scope)
  }
}

function call<R>(body: () => R): R {
  return body()
}
