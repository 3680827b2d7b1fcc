/**
 * The root of a tree of scopes, and the ways in from code that holds no scope: `run`, `currentScope`, `inject`.
 */
import { ambient, enterFrame } from './context.ts'
import { conclude } from './finalizers.ts'
import { noScope } from './misuse.ts'
import { checkOptions, expected } from './options.ts'
import { ScopeNode } from './scope.ts'
import { appRules, defaults, inherit } from './settings.ts'
import type { App, AppOptions, MaybePromise, Resource, Scope, ScopeOptions } from './types.ts'

/**
 * The root of a tree of scopes: owns the `app` resources. A server has one; parallel tests have one each.
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
  return appNode(options)
}

/**
 * `currentScope().run(…)`; outside every scope, in an app of its own that lives as long as `body`. Rejects with what
 * `body` throws, and with what fails while releasing.
 */
export function run<R>(body: (scope: Scope) => MaybePromise<R>): Promise<R>
export function run<R>(options: ScopeOptions, body: (scope: Scope) => MaybePromise<R>): Promise<R>
export function run<R>(
  first: ScopeOptions | ((scope: Scope) => MaybePromise<R>),
  second?: (scope: Scope) => MaybePromise<R>,
): Promise<R> {
  const body = typeof first === 'function' ? first : second
  const options = typeof first === 'function' ? {} : first
  if (typeof body !== 'function') {
    return Promise.reject(expected('the body given to run()', 'a function', body))
  }
  const current = tryCurrentScope()
  if (current !== undefined) return current.run(options, body)
  const app = appNode(undefined)
  const inApp = (root: Scope): Promise<R> => root.run(options, body)
  // With a body, the value is the body's.
  return enterFrame(app.frame, app, conclude<ScopeNode, R>, app, inApp) as Promise<R>
}

/**
 * The scope that the caller runs in. For what a closed scope left running, that closed scope.
 * @throws `ERR_NO_SCOPE` outside every scope
 */
export function currentScope(): Scope {
  const current = ambient()
  if (current === undefined) throw noScope('currentScope()')
  return current.scope
}

/** The scope that the caller runs in, or `undefined` outside every scope. */
export function tryCurrentScope(): Scope | undefined {
  return ambient()?.scope
}

/**
 * `currentScope().get(resource)`; inside an acquire function also a dependency, as `context.get` is.
 * Rejects with `ERR_NO_SCOPE` outside every scope, else as `scope.get`.
 */
export function inject<T>(resource: Resource<T>): Promise<T> {
  const current = ambient()
  if (current === undefined) return Promise.reject(noScope('inject()'))
  return current.get(resource)
}

/**
 * For server adapters: a scope for a connection that is already served, although the app may be shutting down.
 * @throws `ERR_SCOPE_CLOSED` once the app releases its resources
 */
export function openServing(app: App, options?: ScopeOptions): Scope {
  if (app instanceof ScopeNode) return app.open('child()', options, true)
  return app.child(options)
}

function appNode(options: AppOptions | undefined): ScopeNode & App {
  checkOptions('createApp()', options, appRules)
  const node = new ScopeNode(undefined, 'app', inherit(defaults, options), undefined, options?.name)
  // The kind is `app`, which the class cannot say.
  return node as ScopeNode & App
}
