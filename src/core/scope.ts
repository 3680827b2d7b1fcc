/**
 * A scope: open → draining → closing → closed. What is acquired in it is released when it closes, after its children,
 * in reverse order, each exactly once. A closed scope holds nothing, so whatever keeps it alive keeps nothing else.
 */
import { inspect } from 'node:util'
import { abortReason, Cancellation } from './cancellation.ts'
import { Children } from './children.ts'
import { Completion } from './completion.ts'
import {
  ambient,
  enterFrame,
  openFrame,
  outermostFrame,
  type Ambient,
  type Frame,
} from './context.ts'
import { roughNow } from './deadline.ts'
import { ShutdownError } from './errors.ts'
import {
  callDeferred,
  callRelease,
  conclude,
  disposalOf,
  Finalizer,
  releaseAlone,
  Unwinding,
  type Host,
  type Unwindable,
} from './finalizers.ts'
import { obtain, type Holdings, type Place } from './holdings.ts'
import type { Instance } from './instance.ts'
import { reportUnthrown, scopeClosed, title } from './misuse.ts'
import { checkOptions, expected } from './options.ts'
import { definitionOf } from './resource.ts'
import { inherit, scopeRules, type Settings } from './settings.ts'
import { abandonable, withSignal } from './waiting.ts'
import type {
  Exit,
  MaybePromise,
  Resource,
  Scope,
  ScopeKind,
  ScopeOptions,
  ScopeState,
} from './types.ts'

type Body<R> = (scope: Scope) => MaybePromise<R>

let opened = 0

export class ScopeNode implements Place, Unwindable, Host, Ambient {
  readonly kind: ScopeKind
  readonly name: string
  readonly parent: ScopeNode | undefined
  readonly unwinding: Unwinding
  frame: Frame = openFrame()
  state: ScopeState = 'open'
  /** Where somebody closes it before its body has ended. Never rejects. */
  closing: Promise<void> | undefined = undefined
  readonly #number: number = ++opened
  readonly #settings: Settings
  /** The scope that owns what lives as long as a request; an app has none. */
  readonly request: ScopeNode | undefined
  holdings: Holdings | undefined = undefined
  older: ScopeNode | undefined = undefined
  newer: ScopeNode | undefined = undefined
  #running: Promise<unknown> | undefined = undefined
  #cancellation: Cancellation | undefined = undefined
  #children: Children<ScopeNode> | undefined = undefined
  #closedAt: number | undefined = undefined

  constructor(
    parent: ScopeNode | undefined,
    kind: ScopeKind,
    settings: Settings,
    options: ScopeOptions | undefined,
    name: string = options?.name ?? kind,
  ) {
    this.parent = parent
    this.kind = kind
    this.name = name
    this.#settings = settings
    this.request = requestOf(this, kind, parent === undefined ? undefined : parent.request)
    const completion = new Completion(kind === 'app' ? 'success' : 'unknown')
    this.unwinding = new Unwinding(this, completion, false)
    if (parent !== undefined) {
      parent.#children ??= new Children()
      parent.#children.add(this)
      const above = parent.#cancellation
      if (above !== undefined && above.cancelled) this.abort(above.reason)
    }
    if (options !== undefined) this.#limit(options)
  }

  get id(): string {
    return `s${this.#number.toString(36)}`
  }

  get scope(): this {
    return this
  }

  get disposed(): boolean {
    return this.state === 'closed'
  }

  get disposeTimeout(): number {
    return this.#settings.disposeTimeout
  }

  get signal(): AbortSignal {
    this.#cancellation ??= new Cancellation()
    return this.#cancellation.signal
  }

  get deadline(): number | undefined {
    return this.#cancellation?.deadline ?? this.parent?.deadline
  }

  get draining(): AbortSignal {
    this.#cancellation ??= new Cancellation()
    return this.#cancellation.drainingSignal(this.root.#cancellation?.drainReason)
  }

  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T {
    if (value === null || value === undefined) {
      if (this.state === 'closed') throw this.#closed('use()')
      return value
    }
    this.#register('use()', disposalOf(value))
    return value
  }

  adopt<T>(value: T, release: (value: T, exit: Exit) => unknown): T {
    if (typeof release !== 'function') {
      throw expected('the second argument of adopt()', 'a release function', release)
    }
    this.#register('adopt()', new Finalizer(callRelease, value, release, undefined))
    return value
  }

  defer(onExit: (exit: Exit) => unknown): void {
    if (typeof onExit !== 'function') {
      throw expected('the argument of defer()', 'a function', onExit)
    }
    this.#register('defer()', new Finalizer(callDeferred, undefined, onExit, undefined))
  }

  get<T>(resource: Resource<T>, options?: { signal?: AbortSignal }): Promise<T> {
    try {
      this.#checkReachable()
      if (options?.signal === undefined) return obtain(this, definitionOf(resource), undefined)
      options.signal.throwIfAborted()
      return withSignal(obtain(this, definitionOf(resource), undefined), options.signal)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  resolve<T>(resource: Resource<T>, dependent: Instance): Promise<T> {
    try {
      this.#checkReachable()
      return obtain(this, definitionOf(resource), dependent)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  run<R>(first: ScopeOptions | Body<R>, second?: Body<R>): Promise<R> {
    try {
      const body = typeof first === 'function' ? first : second
      const options = typeof first === 'function' ? undefined : first
      if (typeof body !== 'function') throw expected('the body given to run()', 'a function', body)
      return this.open('run()', options, false).#run(body)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  child(options?: ScopeOptions): ScopeNode {
    return this.open('child()', options, false)
  }

  /** @param serving for a connection that is served until it ends, although its app shuts down */
  open(call: string, options: ScopeOptions | undefined, serving: boolean): ScopeNode {
    checkOptions(call, options, scopeRules)
    const { state } = this
    const refuses = state === 'draining' && this.kind === 'app' && !serving
    if (state === 'closing' || state === 'closed' || refuses) throw this.#closed(call)
    const kind = options?.kind ?? (this.kind === 'app' ? 'request' : 'scope')
    return new ScopeNode(this, kind, inherit(this.#settings, options), options)
  }

  enter<R>(body: () => R): R {
    return enterFrame(openFrame(), this, call<R>, body, undefined)
  }

  bind<A extends unknown[], R>(listener: (...args: A) => R): (...args: A) => R {
    if (typeof listener !== 'function') {
      throw expected('the argument of bind()', 'a function', listener)
    }
    const scope = this
    return function bound(this: unknown, ...args: A): R {
      const run = (): R => Reflect.apply(listener, this, args)
      return enterFrame(scope.frame, scope, call<R>, run, undefined)
    }
  }

  complete(): void {
    if (this.state === 'open') this.unwinding.completion.succeed()
  }

  fail(error: unknown): void {
    if (this.state === 'open') this.#settleFailure(error, false)
  }

  settleFailure(error: unknown): void {
    this.#settleFailure(error, true)
  }

  abort(reason: unknown = abortReason(this.name)): void {
    if (this.state === 'closing' || this.state === 'closed') return
    this.#cancellation ??= new Cancellation()
    if (this.#cancellation.cancelled) return
    this.#cancellation.requested = true
    this.#cancel(this.#cancellation, reason)
  }

  close(): Promise<void> {
    const inside = this.#isInside()
    if (this.state !== 'open') {
      const waiting = inside ? undefined : (this.closing ?? this.#running)
      return waiting === undefined ? Promise.resolve() : waiting.then(ignore, ignore)
    }
    // An app has no outcome of its own to wait for: what still runs in it is told to stop.
    if (this.kind === 'app') this.#stopAll(new ShutdownError(`The app "${this.name}" closes.`))
    const concluding = enterFrame(this.frame, this, conclude<ScopeNode, void>, this, undefined)
    this.closing = concluding.then(ignore, ignore)
    if (!inside || ambient()?.scope === this) return concluding
    concluding.catch((error: unknown) => this.report(error, undefined, true))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  drain(): Promise<void> | undefined {
    const { completion } = this.unwinding
    const cancellation = this.#cancellation
    if (cancellation?.requested === true && completion.status === 'unknown') {
      completion.abort(cancellation.reason)
    }
    if (this.#children?.newest === undefined && this.holdings?.idle !== false) {
      this.state = 'closing'
      return undefined
    }
    this.state = 'draining'
    return this.#drain()
  }

  finish(): void {
    this.state = 'closed'
    this.#closedAt = roughNow()
    if (this.parent !== undefined) this.parent.#children?.remove(this)
    this.#cancellation?.release()
    this.holdings = undefined
    this.#running = undefined
    this.frame = outermostFrame
  }

  admit(call: string): void {
    if (this.state === 'closing' || this.state === 'closed') throw this.#closed(call)
    if (this.#cancellation?.cancelled === true) throw this.#cancellation.reason
  }

  releaseLate(finalizer: Finalizer, completion: Completion): Promise<void> {
    const release = (): Promise<void> => releaseAlone(finalizer, this, completion)
    return enterFrame(this.frame, this, call<Promise<void>>, release, undefined)
  }

  report(error: unknown, resource: string | undefined, late: boolean): void {
    reportUnthrown(this.#settings.onError, error, this, resource, late)
  }

  get root(): ScopeNode {
    let root: ScopeNode = this
    while (root.parent !== undefined) root = root.parent
    return root
  }

  #run<R>(body: Body<R>): Promise<R> {
    const { abandonAfter } = this.#settings
    const report = (error: unknown): void => this.report(error, undefined, true)
    const bounded: Body<R> =
      abandonAfter === undefined ? body : (scope) => abandonable(scope, body, abandonAfter, report)
    const running = enterFrame(this.frame, this, conclude<ScopeNode, R>, this, bounded)
    this.#running = running
    // With a body, the value is the body's.
    return running as Promise<R>
  }

  #limit({ signal, timeout }: ScopeOptions): void {
    if (timeout !== undefined) {
      const inherited = this.parent?.deadline
      if (inherited === undefined || Date.now() + timeout < inherited) {
        this.#cancellation ??= new Cancellation()
        this.#cancellation.expireIn(timeout, this, this.name)
      }
    }
    if (signal !== undefined) {
      this.#cancellation ??= new Cancellation()
      this.#cancellation.follow(signal, this)
    }
  }

  #register(call: string, finalizer: Finalizer): void {
    if (this.state !== 'closed') {
      this.unwinding.push(finalizer)
      return
    }
    // Nobody is left to release it later.
    void this.releaseLate(finalizer, this.unwinding.completion)
    throw this.#closed(call)
  }

  #settleFailure(error: unknown, thrown: boolean): void {
    const { completion } = this.unwinding
    this.#cancellation ??= new Cancellation()
    const cancellation = this.#cancellation
    if (cancellation.requested) completion.abort(cancellation.reason)
    completion.fail(error, thrown)
    if (!cancellation.cancelled) this.#cancel(cancellation, error)
  }

  /** Listeners inherit the context of whoever aborts, so that is the scope's own. */
  #cancel(cancellation: Cancellation, reason: unknown): void {
    const cancel = (): void => cancellation.cancel(reason)
    enterFrame(this.frame, this, call<void>, cancel, undefined)
    this.holdings?.giveUp(reason)
    this.#abortChildren(reason)
  }

  #stopAll(reason: ShutdownError): void {
    this.#announceDrain(reason)
    this.#abortChildren(reason)
  }

  #announceDrain(reason: ShutdownError): void {
    this.#cancellation ??= new Cancellation()
    const cancellation = this.#cancellation
    enterFrame(this.frame, this, call<void>, () => cancellation.drain(reason), undefined)
    for (const child of this.#children?.all() ?? []) child.#announceDrain(reason)
  }

  #abortChildren(reason: unknown): void {
    for (const child of this.#children?.all() ?? []) child.abort(reason)
  }

  async #drain(): Promise<void> {
    for (let child = this.#children?.newest; child !== undefined; child = this.#children?.newest) {
      await this.#closeChild(child)
    }
    this.state = 'closing'
    await this.holdings?.settle(this.#closed('get()'))
  }

  /** A child that runs a body ends with it, and its error goes to whoever runs it. */
  async #closeChild(child: ScopeNode): Promise<void> {
    try {
      await (child.#running === undefined ? child.close() : child.#running.catch(ignore))
    } catch (error) {
      this.unwinding.completion.add(error)
    }
  }

  #checkReachable(): void {
    if (this.state === 'closed') throw this.#closed('get()')
  }

  /** Whether the caller is a part of what it would wait for. */
  #isInside(): boolean {
    for (let at = ambient()?.scope; at !== undefined; at = at.parent) if (at === this) return true
    return false
  }

  #closed(call: string): Error {
    return scopeClosed(this, call, this.#closedAt)
  }
}

// In the console a scope is one line. Defined here, because declarations cannot carry a computed name of Node's.
Object.defineProperty(ScopeNode.prototype, inspect.custom, {
  value(this: ScopeNode): string {
    return `Scope { ${title(this)}, ${this.state} }`
  },
})

/** The nearest request; where there is none, the outermost scope below the app. */
function requestOf(
  scope: ScopeNode,
  kind: ScopeKind,
  above: ScopeNode | undefined,
): ScopeNode | undefined {
  if (kind === 'app') return undefined
  return kind === 'request' ? scope : (above ?? scope)
}

function call<R>(body: () => R): R {
  return body()
}

function ignore(): void {}
