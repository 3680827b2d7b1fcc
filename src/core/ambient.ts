/**
 * The ways in for code that holds no scope: `run`, `currentScope`, `inject`.
 */
import { AppNode } from './app.ts'
import { ambient } from './context.ts'
import { runIn, type Body } from './life.ts'
import { noScope } from './misuse.ts'
import type { ScopeNode } from './scope.ts'
import type { Resource, Scope, ScopeOptions } from './types.ts'

/**
 * `currentScope().run(…)`; outside every scope, in an app of its own that lives as long as `body`. Rejects with what
 * `body` throws, and with what fails while releasing.
 */
export function run<R>(body: Body<R>): Promise<R>
export function run<R>(options: ScopeOptions, body: Body<R>): Promise<R>
export function run<R>(first: ScopeOptions | Body<R>, second?: Body<R>): Promise<R> {
  const current = tryCurrentScope()
  // A scope has both forms, which its type tells apart, and looks at what it is given.
  return current === undefined ? runAlone(first, second) : (current as ScopeNode).run(first, second)
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

/** The app closes with the outcome of its one request. */
function runAlone<R>(first: ScopeOptions | Body<R>, second: Body<R> | undefined): Promise<R> {
  const app = new AppNode(undefined)
  return runIn(app, () => app.run(first, second))
}
