/**
 * The root of a tree of scopes: it owns the `app` resources, and it is where a program begins to end.
 */
import { limit } from './abort.ts'
import { admitWork, register } from './admission.ts'
import { appOpened } from './watching/open-apps.ts'
import { Completion } from './completion.ts'
import { callInFrame, openFrame } from './context.ts'
import { whenAborted } from './deadline.ts'
import { ignore, isEcho } from './dispose.ts'
import { callDeferred, Finalizer, remove } from './finalizers.ts'
import { awaitsCaller, runIn } from './life.ts'
import { checkFunction, checkOptions } from './options.ts'
import { Overrides } from './resources/overrides.ts'
import { Alone } from './release-alone.ts'
import type { ShutdownOptions } from './reports.ts'
import type { ResourceSpec } from './resources/recipe.ts'
import { definitionOf, resource } from './resources/resource.ts'
import { Start } from './resources/start.ts'
import { ScopeNode, type Name } from './scope.ts'
import { appRules, defaults, inherit, insideOf } from './settings.ts'
import { keepShapes } from './shapes.ts'
import { shutDown, shutdownRules } from './shutdown.ts'
import { openIn } from './verbs.ts'
import type {
  App,
  AppOptions,
  Lifetime,
  MaybePromise,
  Resource,
  Scope,
  ScopeOptions,
  ShutdownReport,
  Task,
} from './types.ts'
import { unwind, whenEnded } from './unwinding.ts'
import { escapable } from './waiting.ts'

/**
 * The root of a tree of scopes: owns the `app` resources. A server has one, which `shutdownOnSignals` closes; parallel
 * tests have one each. `await using` is for a script or a test, which is over when its block is.
 *
 * @example
 * ```ts
 * await using app = createApp({ name: 'shop' })
 * const total = await app.run(async (scope) => {
 *   const db = await scope.get(database)
 *   return db.total()
 * })
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function createApp(options?: AppOptions): App {
  checkOptions('createApp()', options, appRules)
  return new AppNode(options)
}

/** What the scopes have in common that one server opens. They differ in their names. */
type Serving = Pick<ScopeOptions, 'kind' | 'timeout'> & { readonly abandonAfter: number }

/**
 * For server adapters: what opens a scope for a connection that is already served, although the app may be shutting down.
 * It throws `ERR_SCOPE_CLOSED` once the app releases its resources.
 */
export function servingOpener(app: App, options: Serving): (name: Name) => Scope {
  // An app of another copy of this package has no such door.
  return app instanceof ScopeNode
    ? opener(app, 'child()', options)
    : (name) => app.child({ ...options, name: String(name) })
}

/** The same with a body, as `run` does it. */
export async function runServing<R>(
  app: App,
  options: Serving,
  name: string,
  body: (scope: Scope) => MaybePromise<R>,
): Promise<R> {
  if (!(app instanceof ScopeNode)) return app.run({ ...options, name }, body)
  return runIn(opener(app, 'run()', options)(name), body)
}

/** The options are looked at once. */
function opener(app: ScopeNode, verb: string, options: Serving): (name: Name) => ScopeNode {
  const settings = inherit(insideOf(app.settings), { ...options, serving: true })
  const { timeout } = options
  return (name) => {
    admitWork(app, verb)
    const scope = app.next(settings, name)
    if (timeout !== undefined) limit(scope, { timeout })
    return scope
  }
}

/** What a server is to its app: it ends with that, or before it. */
interface Attached extends Pick<ResourceSpec<undefined>, 'disposeTimeout' | 'destroy'> {
  readonly name: string
  /** May be called once more. */
  readonly release: () => unknown
}

/**
 * For what can end before its app: released with that, unless the result is called, which makes the app forget it.
 * @throws `ERR_SCOPE_CLOSED` once the app has closed, and releases it
 */
export function endWith(app: App, attached: Attached): () => void {
  const { name, disposeTimeout, destroy, release } = attached
  if (!(app instanceof ScopeNode)) {
    // An app of another copy of this package forgets nothing.
    const late = app.state === 'closing' || app.state === 'closed'
    if (late) app.defer(release)
    else void app.get(resource({ ...attached, lifetime: 'app', acquire: () => undefined }))
    return ignore
  }
  const definition = { name, lifetime: 'app', disposeTimeout, destroy } as const
  const finalizer = new Finalizer(callDeferred, undefined, release, { definition })
  register(app, 'defer()', finalizer)
  return () => remove(app, finalizer)
}

/** Aborted from outside, as by its deadline or a shutdown. What fails in a scope aborts it, too. */
export function isInterrupted(scope: Scope): boolean {
  return scope instanceof ScopeNode ? scope.cancellation?.requested === true : scope.signal.aborted
}

/** Give what nobody can be told of any more to the `onError` of `scope`. */
export function report(scope: Scope, error: unknown): void {
  if (scope instanceof ScopeNode) scope.report(error, undefined, true)
}

export class AppNode extends ScopeNode implements App {
  #shutdown: Promise<ShutdownReport> | undefined = undefined

  constructor(options: AppOptions | undefined) {
    const overrides = options?.overrides && Overrides.of(options.overrides)
    super(undefined, options?.name ?? 'app', inherit(defaults, options), openFrame())
    if (overrides !== undefined) this.extended.overrides = overrides
    keepShapes()
    appOpened(this)
  }

  override get kind(): 'app' {
    return 'app'
  }

  override<T>(original: Resource<T>, replacement: Resource<NoInfer<T>>): Disposable {
    const definition = definitionOf(original, 'the first argument of override()')
    const overrides = (this.extended.overrides ??= Overrides.of([]))
    const inUse = overrides.find(definition) ?? definition
    if (this.holdings?.find(inUse) !== undefined) throw alreadyAcquired(definition.name)
    const restore = overrides.replace<unknown>(original, replacement)
    return { [Symbol.dispose]: restore }
  }

  detach<R>(job: (scope: Scope) => MaybePromise<R>, options?: ScopeOptions): Task<R> {
    checkFunction('the job given to detach()', job)
    const scope = openIn(this, 'detach()', options)
    const running = runIn(scope, job)
    running.catch((error: unknown) => scope.report(error, undefined, true))
    return Object.assign(running, { abort: (reason?: unknown): void => scope.abort(reason) })
  }

  async warmUp(...resources: Resource<unknown>[]): Promise<void> {
    for (const resource of resources) {
      const { lifetime, name } = definitionOf(resource, 'each argument of warmUp()')
      if (lifetime !== 'app') throw notOfTheApp(name, lifetime)
    }
    const start = new Start()
    try {
      for (const resource of resources) await this.resolve(resource, start)
      start.keep()
    } catch (error) {
      await this.#untilArrived(start, error)
      if (this.state === 'open') await this.#giveBack(start, error)
      // It gives everything back, and a program often ends with the error of its start.
      else if (!awaitsCaller(this, true)) await whenEnded(this)
      throw error
    }
  }

  shutdown(options: ShutdownOptions = {}): Promise<ShutdownReport> {
    checkOptions('shutdown()', options, shutdownRules)
    if (this.#shutdown !== undefined) return this.#shutdown
    const { promise, resolve } = Promise.withResolvers<ShutdownReport>()
    // There before it begins: whoever hears of that may ask for it again.
    this.#shutdown = promise
    resolve(shutDown(this, options))
    return promise
  }

  /** Or until the app ends, which waits for that itself. */
  async #untilArrived(start: Start, told: unknown): Promise<void> {
    const missed = (error: unknown, resource: string): void => {
      if (!this.draining.aborted && !isEcho(error, told)) this.report(error, resource, true)
    }
    await escapable(start.settled(missed), (_fail, end) => whenAborted(this.draining, end))
  }

  /** Closing waits for it, as for a task. Requests may come meanwhile. */
  async #giveBack(start: Start, error: unknown): Promise<void> {
    const list = new Alone(this, Completion.unknown.fail(error, true))
    start.takeBack(this, list)
    if (list.newest === undefined) return
    await callInFrame(this.frame, this, () => this.fork(() => unwind(list)))
  }
}

function notOfTheApp(name: string, lifetime: Lifetime): TypeError {
  return new TypeError(
    `warmUp() acquires what lives as long as the app, and the resource "${name}" has the lifetime '${lifetime}'. Leave it to the first get() of a scope.`,
  )
}

function alreadyAcquired(name: string): TypeError {
  return new TypeError(
    `The resource "${name}" was already acquired in this app, so replacing it would come too late. Override before the first get(), or use an app of its own: createApp({ overrides: […] }).`,
  )
}
