/**
 * What a scope is to those who use it: the verbs. Its life is in node.ts.
 */
import { inspect } from 'node:util'
import {
  abortChildren,
  announceDrain,
  cancellationOf,
  limit,
  request,
  settleFailure,
} from './abort.ts'
import { abortReason } from './cancellation.ts'
import { enterFrame, openFrame, type Ambient } from './context.ts'
import { ShutdownError } from './errors.ts'
import { callDeferred, callRelease, disposalOf, Finalizer } from './finalizers.ts'
import { obtain, type Place } from './holdings.ts'
import { Inputs } from './inputs.ts'
import type { Instance } from './instance.ts'
import { title } from './misuse.ts'
import { Node } from './node.ts'
import { abortSignal, checkFunction, checkOptions, expected, oneOf } from './options.ts'
import { definitionOf } from './resource.ts'
import { Overrides } from './overrides.ts'
import { bind } from './parked.ts'
import { inherit, scopeRules } from './settings.ts'
import { snapshotOf } from './snapshot.ts'
import { bindStream, type Source } from './stream.ts'
import { Tasks, type Job, type OnClose } from './tasks.ts'
import type {
  Exit,
  Input,
  MaybePromise,
  Resource,
  Scope,
  ScopeOptions,
  ScopeSnapshot,
  Task,
} from './types.ts'
import { withSignal } from './waiting.ts'

type Body<R> = (scope: Scope) => MaybePromise<R>
type Results<F extends readonly Job<unknown>[]> = {
  -readonly [K in keyof F]: F[K] extends (signal: AbortSignal) => infer R ? Awaited<R> : never
}

const forkRules = { onClose: oneOf('await', 'abort') }
const getRules = { signal: abortSignal }

export class ScopeNode extends Node implements Scope, Place, Source, Ambient {
  get disposed(): boolean {
    return this.state === 'closed'
  }

  get signal(): AbortSignal {
    return cancellationOf(this).signal
  }

  get deadline(): number | undefined {
    return this.cancellation?.deadline ?? this.parent?.deadline
  }

  get draining(): AbortSignal {
    return cancellationOf(this).drainingSignal(this.root.cancellation?.drainReason)
  }

  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T {
    if (value !== null && value !== undefined) this.register('use()', disposalOf(value))
    else if (this.state === 'closed') throw this.closedError('use()')
    return value
  }

  adopt<T>(value: T, release: (value: T, exit: Exit) => unknown): T {
    checkFunction('the second argument of adopt()', release)
    this.register('adopt()', new Finalizer(callRelease, value, release, undefined))
    return value
  }

  defer(onExit: (exit: Exit) => unknown): void {
    checkFunction('the argument of defer()', onExit)
    this.register('defer()', new Finalizer(callDeferred, undefined, onExit, undefined))
  }

  get<T>(resource: Resource<T>, options?: { signal?: AbortSignal }): Promise<T> {
    try {
      checkOptions('get()', options, getRules)
    } catch (error) {
      // Whatever was thrown is passed on.
      return Promise.reject(error)
    }
    const signal = options?.signal
    if (signal === undefined) return this.resolve(resource, undefined)
    // Whatever was thrown is passed on.
    if (signal.aborted) return Promise.reject(signal.reason as Error)
    return withSignal(this.resolve(resource, undefined), signal)
  }

  /** @param dependent what is being acquired in this scope and asks for it */
  resolve<T>(resource: Resource<T>, dependent: Instance | undefined): Promise<T> {
    try {
      if (this.state === 'closed') throw this.closedError('get()')
      return obtain(this, definitionOf(resource), dependent)
    } catch (error) {
      // Whatever was thrown is passed on.
      return Promise.reject(error)
    }
  }

  provide<T>(input: Input<T>, value: NoInfer<T>): void {
    this.admitWork('provide()')
    this.inputs ??= new Inputs()
    this.inputs.provide(input, value)
  }

  run<R>(first: ScopeOptions | Body<R>, second?: Body<R>): Promise<R> {
    // What most calls are, in few words, so that it becomes part of the code of whoever calls.
    if (typeof first === 'function' && this.state === 'open') return this.next().runBody(first)
    try {
      const body = typeof first === 'function' ? first : second
      checkFunction('the body given to run()', body)
      const options = typeof first === 'function' ? undefined : first
      return this.open('run()', options, false).runBody(body)
    } catch (error) {
      // Whatever was thrown is passed on.
      return Promise.reject(error)
    }
  }

  child(options?: ScopeOptions): ScopeNode {
    return this.open('child()', options, false)
  }

  enter<R>(body: () => R): R {
    checkFunction('the argument of enter()', body)
    return enterFrame(openFrame(), this, call<R>, body, undefined)
  }

  bind<A extends unknown[], R>(listener: (...args: A) => R): (...args: A) => R {
    checkFunction('the argument of bind()', listener)
    const scope = this
    return function bound(this: unknown, ...args: A): R {
      const run = (): R => Reflect.apply(listener, this, args)
      return enterFrame(scope.frame, scope, call<R>, run, undefined)
    }
  }

  fork<R>(task: Job<R>, options?: { onClose?: OnClose }): Task<R> {
    checkFunction('the task given to fork()', task)
    checkOptions('fork()', options, forkRules)
    this.admitWork('fork()')
    this.tasks ??= new Tasks(this)
    return this.tasks.fork(task, options?.onClose ?? 'await')
  }

  async all<const F extends readonly Job<unknown>[]>(tasks: F): Promise<Results<F>> {
    this.admitWork('all()')
    if (!Array.isArray(tasks))
      throw expected('the argument of all()', 'an array of functions', tasks)
    for (const task of tasks) checkFunction('each task given to all()', task)
    this.tasks ??= new Tasks(this)
    // In the order of the tasks, as the type says.
    return (await this.tasks.all(tasks)) as Results<F>
  }

  stream<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.admitWork('stream()')
    const stream = bindStream(this, source)
    bind(this)
    return stream
  }

  complete(): void {
    if (this.state === 'open') this.unwinding.completion = this.unwinding.completion.succeed()
  }

  fail(error: unknown): void {
    if (this.state === 'open') settleFailure(this, error, false)
  }

  abort(reason: unknown = abortReason(this.name)): void {
    if (this.state === 'open' || this.state === 'draining') request(this, reason)
  }

  close(): Promise<void> {
    const awaitsCaller = this.awaitsCaller()
    if (this.state !== 'open') return awaitsCaller ? Promise.resolve() : this.ended()
    // An app has no body to wait for: what still runs in it is told to stop.
    if (this.kind === 'app') this.stop(new ShutdownError(`The app "${this.name}" closes.`))
    const concluding = this.conclude()
    if (!awaitsCaller) return concluding
    concluding.catch((error: unknown) => this.report(error, undefined, true))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  inspect(): ScopeSnapshot {
    return snapshotOf(this)
  }

  /** @param serving for a connection that is served until it ends, although its app shuts down */
  open(call: string, options: ScopeOptions | undefined, serving: boolean): ScopeNode {
    if (options !== undefined) checkOptions(call, options, scopeRules)
    this.admitWork(call)
    const isApp = this.kind === 'app'
    if (isApp && this.state === 'draining' && !serving) throw this.closedError(call)
    if (options === undefined) return this.next()
    const kind = options.kind ?? this.nextKind
    // Before there is a scope that would have to be closed.
    const overrides = options.overrides && Overrides.of(options.overrides)
    const settings = inherit(this.settings, options)
    const scope = new ScopeNode(this, kind, options.name ?? kind, settings)
    scope.overrides = overrides
    limit(scope, options)
    return scope
  }

  next(): ScopeNode {
    const kind = this.nextKind
    return new ScopeNode(this, kind, kind, this.settings)
  }

  get nextKind(): 'request' | 'scope' {
    return this.kind === 'app' ? 'request' : 'scope'
  }

  /** What runs below is told that the app ends. */
  stop(reason: ShutdownError): void {
    announceDrain(this, reason)
    abortChildren(this, reason)
  }
}

// In the console a scope is one line, and in JSON its snapshot. Defined here, because declarations cannot carry a computed
// name of Node's, and users have `inspect()`.
Object.defineProperties(ScopeNode.prototype, {
  [inspect.custom]: {
    value(this: ScopeNode): string {
      return `Scope { ${title(this)}, ${this.state} }`
    },
  },
  toJSON: {
    value(this: ScopeNode): ScopeSnapshot {
      return this.inspect()
    },
  },
})

function call<R>(body: () => R): R {
  return body()
}
