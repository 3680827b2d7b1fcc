/**
 * The verbs of a scope that ask for more than a few lines: for a value, for a scope in it, for its end.
 */
import { abortBelow, announceDrain, limit } from './abort.ts'
import { admitWork, closedError } from './admission.ts'
import { aroundCaller } from './context.ts'
import { conclude } from './drain.ts'
import { ShutdownError } from './errors/errors.ts'
import { obtain, type Asker } from './resources/holdings.ts'
import { awaitsCaller, runIn, type Body } from './life.ts'
import { abortSignal, bodyOf, checkOptions } from './options.ts'
import { Overrides } from './resources/overrides.ts'
import { definitionOf } from './resources/resource.ts'
import type { ScopeNode } from './scope.ts'
import { inherit, insideOf, scopeRules } from './settings.ts'
import type { Resource, ScopeOptions } from './types.ts'
import { whenEnded } from './unwinding.ts'

const getRules = { signal: abortSignal }

/** @param asker what it is for, if anything */
export function getIn<T>(
  scope: ScopeNode,
  resource: Resource<T>,
  asker: Asker | undefined,
  options: { signal?: AbortSignal } | undefined,
): Promise<T> {
  try {
    checkOptions('get()', options, getRules)
    const signal = options?.signal
    if (signal?.aborted === true) return aborted(signal.reason)
    if (scope.state === 'closed') throw closedError(scope, 'get()')
    // Everything that a definition can give is a T by the signatures of `resource`, `provide` and `override`.
    return obtain(scope, definitionOf(resource), asker, signal) as Promise<T>
  } catch (error) {
    // Whatever was thrown is passed on.
    return scope.aborted ? aborted(error) : Promise.reject(error)
  }
}

/** An abort that came before the call is no more an unhandled rejection than one that comes after it. */
function aborted(reason: unknown): Promise<never> {
  const refused = Promise.reject(reason)
  refused.catch(() => {})
  return refused
}

/**
 * @throws {TypeError} for unknown or wrong options, and `ERR_SCOPE_CLOSED` where no child can be opened
 */
export function openIn(
  scope: ScopeNode,
  verb: string,
  options: ScopeOptions | undefined,
): ScopeNode {
  checkOptions(verb, options, scopeRules)
  admitWork(scope, verb)
  if (scope.kind === 'app' && scope.state === 'draining') throw closedError(scope, verb)
  if (options === undefined) return scope.next()
  // Before there is a scope that would have to be closed.
  const overrides = options.overrides && Overrides.of(options.overrides)
  const child = scope.next(inherit(insideOf(scope.settings), options), options.name)
  if (overrides !== undefined) child.extended.overrides = overrides
  limit(child, options)
  return child
}

/** `run` with options, where something is being acquired, or where it cannot run. */
export function runWith<R>(
  scope: ScopeNode,
  first: ScopeOptions | Body<R>,
  second: Body<R> | undefined,
): Promise<R> {
  try {
    const body = bodyOf<Body<R>>('run()', first, second)
    const options = typeof first === 'function' ? undefined : first
    const neededBy = aroundCaller()
    const child = openIn(scope, 'run()', options)
    if (neededBy !== undefined) child.extended.neededBy = neededBy
    return runIn(child, body)
  } catch (error) {
    // Whatever was thrown is passed on.
    return Promise.reject(error)
  }
}

export function closeNow(scope: ScopeNode): Promise<void> {
  const isAwaited = awaitsCaller(scope, scope.state !== 'open')
  if (scope.state !== 'open') return isAwaited ? Promise.resolve() : whenEnded(scope)
  // An app has no body to wait for: what still runs in it is told to stop.
  if (scope.kind === 'app') stop(scope, new ShutdownError(`The app "${scope.name}" closes.`))
  const concluding = conclude(scope)
  if (!isAwaited) return concluding
  concluding.catch((error: unknown) => scope.report(error, undefined, true))
  return Promise.resolve()
}

/** What runs in the app and below is told that it ends. */
function stop(app: ScopeNode, reason: ShutdownError): void {
  // First: whoever hears of it may close the app.
  app.state = 'draining'
  app.extras?.whenClosing?.()
  announceDrain(app, reason)
  abortBelow(app, reason)
  app.extras?.tasks?.stop(reason)
}
