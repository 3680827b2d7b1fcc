/** What may stay although its test is over, and says why. */
import { expected } from '../core/options.ts'
import { definitionOf } from '../core/resources/resource.ts'
import { isObject } from '../core/dispose.ts'
import type { Resource } from '../core/types.ts'

const allowed = new WeakSet<object>()

/**
 * This one may stay: a resource, whoever holds it, or one object: an app, a scope, a lease, a value.
 * @param reason for whoever reads the test
 * @throws {TypeError} without a reason
 */
// oxlint-disable-next-line typescript/no-explicit-any -- of every resource alike
export function allowLeak(resource: Resource<any> | object, reason: string): void {
  if (!isObject(resource)) {
    throw expected('the first argument of allowLeak()', 'a resource or an object', resource)
  }
  if (typeof reason !== 'string' || reason.trim() === '') {
    throw expected('the reason given to allowLeak()', 'a text that says why', reason)
  }
  allowed.add(definitionIn(resource) ?? resource)
}

export function mayStay(held: unknown): boolean {
  return isObject(held) && allowed.has(held)
}

function definitionIn(made: object): object | undefined {
  try {
    // It throws for whatever is no resource.
    return definitionOf(made as Resource<unknown>)
  } catch {
    return undefined
  }
}
