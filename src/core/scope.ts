/**
 * A scope: its state, and the verbs of those who use it. What becomes of it is in life.ts.
 */
import { cancel, cancellationOf, settleFailure } from './abort.ts'
import { abortReason, type Cancellation } from './cancellation.ts'
import { admitWork, closedError, register } from './admission.ts'
import { Completion } from './completion.ts'
import {
  ambientIn,
  aroundCaller,
  callInFrame,
  openFrame,
  underway,
  type Ambient,
  type Frame,
} from './context.ts'
import { roughNow } from './deadline.ts'
import { Extras } from './extras.ts'
import { detection } from './watching/detection.ts'
import { scopeOpened } from './watching/events.ts'
import { callDeferred, callRelease, disposalOf, Finalizer } from './finalizers.ts'
import type { Asker, Holdings } from './resources/holdings.ts'
import { provideInput } from './resources/inputs.ts'
import type { Instance } from './resources/instance.ts'
import { finish, runIn, type Body } from './life.ts'
import { reportUnthrown } from './misuse.ts'
import { checkFunction, checkOptions, expected, oneOf } from './options.ts'
import { insideOf, type Settings } from './settings.ts'
import { showAsText, snapshotOf } from './watching/snapshot.ts'
import { bindStream } from './stream.ts'
import { Tasks, type Job, type OnClose } from './tasks.ts'
import { tellOpened } from './watching/telling.ts'
import { addChild, rootOf } from './tree.ts'
import type {
  Exit,
  Input,
  Resource,
  Scope,
  ScopeKind,
  ScopeOptions,
  ScopeSnapshot,
  ScopeState,
  Task,
} from './types.ts'
import type { Unwindable, Unwinding } from './unwinding.ts'
import { closeNow, getIn, openIn, runWith } from './verbs.ts'

type Results<F extends readonly Job<unknown>[]> = {
  -readonly [K in keyof F]: F[K] extends (signal: AbortSignal) => infer R ? Awaited<R> : never
}

const forkRules = { onClose: oneOf('await', 'abort') }

let opened = 0

/** A text, or what makes one. */
export type Name = string | { toString(): string }

/**
 * What it is to the other files of the core is not #private, because each private name makes every scope dearer, and
 * users see the interface `Scope` alone. A class that extends another one would cost a tenth of a scope, too.
 */
export class ScopeNode implements Scope, Ambient, Unwindable {
  readonly parent: ScopeNode | undefined
  /** Its name, or what it is made of when somebody looks. */
  called: Name
  readonly settings: Settings
  state: ScopeState = 'open'
  running = false
  frame: Frame
  completion: Completion
  newest: Finalizer | undefined = undefined
  unwinding: Unwinding | undefined = undefined
  onFulfilled: ((value: unknown) => unknown) | undefined = undefined
  onRejected: ((error: unknown) => unknown) | undefined = undefined
  newestChild: ScopeNode | undefined = undefined
  older: ScopeNode | undefined = undefined
  newer: ScopeNode | undefined = undefined
  holdings: Holdings | undefined = undefined
  extras: Extras | undefined = undefined
  /** How many things that were acquired in it, outside of its list, are still held. */
  outside = 0
  readonly number: number = ++opened
  readonly openedAt: number = roughNow()
  closedAt: number | undefined = undefined

  constructor(parent: ScopeNode | undefined, called: Name, settings: Settings, frame: Frame) {
    this.parent = parent
    this.called = called
    this.settings = settings
    this.frame = frame
    this.completion = parent === undefined ? Completion.success : Completion.unknown
    if (parent !== undefined) {
      addChild(parent, this)
      const barred = parent.cancellation?.barred
      if (barred !== undefined) this.abort(barred.reason)
      if (scopeOpened.hasSubscribers || detection.watching) tellOpened(this)
    }
  }

  get kind(): ScopeKind {
    return this.settings.kind
  }

  /** Itself: what is ambient in it. */
  get scope(): this {
    return this
  }

  get name(): string {
    const name = String(this.called)
    this.called = name
    return name
  }

  get id(): string {
    return `s${this.number.toString(36)}`
  }

  get disposeTimeout(): number {
    return this.settings.disposeTimeout
  }

  get extended(): Extras {
    return (this.extras ??= new Extras())
  }

  get cancellation(): Cancellation | undefined {
    return this.extras?.cancellation
  }

  get neededBy(): Instance | undefined {
    let at: ScopeNode | undefined = this
    while (at !== undefined && at.extras?.neededBy === undefined) at = at.parent
    return at?.extras?.neededBy
  }

  get aborted(): boolean {
    return this.cancellation?.cause !== undefined
  }

  get disposed(): boolean {
    return this.state === 'closed'
  }

  get signal(): AbortSignal {
    return cancellationOf(this).signal
  }

  get deadline(): number | undefined {
    let at: ScopeNode | undefined = this
    // By a loop, because a chain of scopes may be longer than the stack is deep.
    while (at !== undefined && at.cancellation?.deadline === undefined) at = at.parent
    return at?.cancellation?.deadline
  }

  get draining(): AbortSignal {
    return cancellationOf(this).drainingSignal(rootOf(this).cancellation?.drainReason)
  }

  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T {
    if (value !== null && value !== undefined) register(this, 'use()', disposalOf(value))
    else if (this.state === 'closed') throw closedError(this, 'use()')
    return value
  }

  adopt<T>(value: T, release: (value: T, exit: Exit) => unknown): T {
    checkFunction('the second argument of adopt()', release)
    register(this, 'adopt()', new Finalizer(callRelease, value, release, undefined))
    return value
  }

  defer(onExit: (exit: Exit) => unknown): void {
    checkFunction('the argument of defer()', onExit)
    register(this, 'defer()', new Finalizer(callDeferred, undefined, onExit, undefined))
  }

  get<T>(resource: Resource<T>, options?: { signal?: AbortSignal }): Promise<T> {
    return getIn(this, resource, undefined, options)
  }

  resolve<T>(resource: Resource<T>, asker: Asker): Promise<T> {
    return getIn(this, resource, asker, undefined)
  }

  provide<T>(input: Input<T>, value: NoInfer<T>): void {
    admitWork(this, 'provide()')
    provideInput(this, input, value)
  }

  run<R>(first: ScopeOptions | Body<R>, second?: Body<R>): Promise<R> {
    // What most calls are where nothing is being acquired, in few words: it becomes part of the code of whoever calls.
    const alone =
      typeof first === 'function' &&
      second === undefined &&
      this.state === 'open' &&
      underway.count === 0
    return alone ? runIn(this.next(), first) : runWith(this, first, second)
  }

  child(options?: ScopeOptions): ScopeNode {
    return openIn(this, 'child()', options)
  }

  enter<R>(body: () => R): R {
    checkFunction('the argument of enter()', body)
    return callInFrame(openFrame(), ambientIn(this), body)
  }

  bind<A extends unknown[], R>(listener: (...args: A) => R): (...args: A) => R {
    checkFunction('the argument of bind()', listener)
    const scope = this
    return function bound(this: unknown, ...args: A): R {
      return callInFrame(scope.frame, ambientIn(scope), () => Reflect.apply(listener, this, args))
    }
  }

  fork<R>(task: Job<R>, options?: { onClose?: OnClose }): Task<R> {
    checkFunction('the task given to fork()', task)
    checkOptions('fork()', options, forkRules)
    admitWork(this, 'fork()')
    return tasksOf(this).fork(task, options?.onClose ?? 'await')
  }

  async all<const F extends readonly Job<unknown>[]>(tasks: F): Promise<Results<F>> {
    admitWork(this, 'all()')
    if (!Array.isArray(tasks))
      throw expected('the argument of all()', 'an array of functions', tasks)
    for (const task of tasks) checkFunction('each task given to all()', task)
    // In the order of the tasks, as the type says.
    return (await tasksOf(this).all(tasks, aroundCaller())) as Results<F>
  }

  stream<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    return bindStream(this, source)
  }

  complete(): void {
    if (this.state === 'open') this.completion = this.completion.succeed()
  }

  fail(error: unknown): void {
    if (this.state !== 'open' && this.state !== 'draining') return
    settleFailure(this, error, false)
    cancel(this, error, false)
  }

  abort(reason: unknown = abortReason(this.name)): void {
    if (this.state === 'open' || this.state === 'draining') cancel(this, reason, true)
  }

  close(): Promise<void> {
    return closeNow(this)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  inspect(): ScopeSnapshot {
    return snapshotOf(this)
  }

  finish(): void {
    finish(this)
  }

  report(error: unknown, resource: string | undefined, late: boolean): void {
    reportUnthrown(this, error, resource, late)
  }

  next(settings: Settings = insideOf(this.settings), called: Name = settings.kind): ScopeNode {
    return new ScopeNode(this, called, settings, openFrame())
  }
}

function tasksOf(scope: ScopeNode): Tasks {
  return (scope.extended.tasks ??= new Tasks(scope))
}

showAsText(ScopeNode.prototype)
