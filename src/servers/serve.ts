/**
 * Opening a request, and running something in its scope.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isThenable } from '../core/dispose.ts'
import { checkWithin, enter, type Adapter } from './adapter.ts'
import { isSeenBy } from './ends.ts'
import { refuseUnopened } from './failure.ts'
import { answers, hear, hearDestroy, hearPipes, holdAnswer, servedOf } from './hearing.ts'
import { checkCalled } from './listener.ts'
import { Served } from './served.ts'
import { holdLastByte } from './last-byte.ts'
import { timeInto } from './timing.ts'
import { holdEnd } from './uploads.ts'

/**
 * Open a scope for `request`, run `body` in it, and close it once. Whatever fails is answered or reported. Where another
 * adapter has opened one already, that is the one.
 * @throws {TypeError} where it was called by something else than a server of Node.js or Express, or that is of another app
 */
export function serve<A>(
  adapter: Adapter,
  request: IncomingMessage,
  response: ServerResponse,
  body: (served: Served, a: A) => unknown,
  a: A,
): void {
  checkCalled(adapter.where, response)
  const around = servedOf(response)
  if (around !== undefined) {
    handOver(around, adapter)
    run(around, body, a)
    return
  }
  let served: Served
  try {
    served = open(adapter, request, response)
  } catch (error) {
    refuseUnopened(adapter, response, error)
    return
  }
  start(served, body, a)
}

export function start<A>(served: Served, body: (served: Served, a: A) => unknown, a: A): void {
  run(served, body, a)
  if (!served.over) hear(served)
}

/** Run `body` in the scope. Where nobody inside of it sees the handler, the end of that is the end of `body`. */
export function run<A>(served: Served, body: (served: Served, a: A) => unknown, a: A): void {
  const { adapter } = served
  try {
    const result = enter<Served, A, unknown>(served.scope, body, served, a)
    if (isThenable(result)) void follow(served, result, adapter)
    else if (isSeenBy(adapter, served)) served.settle('unseen')
  } catch (error) {
    served.fail(error)
  }
}

async function follow(
  served: Served,
  result: PromiseLike<unknown>,
  adapter: Adapter,
): Promise<void> {
  try {
    await result
    if (isSeenBy(adapter, served)) served.settle('settled')
  } catch (error) {
    served.fail(error)
  }
}

/**
 * What another adapter has opened is answered as `adapter` does it, and ends with that.
 * @throws {TypeError} where it is of another app
 */
export function handOver(around: Served, adapter: Adapter): void {
  checkWithin(adapter, around.scope)
  around.handOver(adapter)
  if (adapter.holds) holdWritten(around)
}

/**
 * The scope for `request`.
 * @throws `ERR_SCOPE_CLOSED` once the app has closed, and what the `name` of the adapter throws
 */
export function open(adapter: Adapter, request: IncomingMessage, response: ServerResponse): Served {
  const served = new Served(adapter, adapter.open(adapter.name(request)), request, response)
  answers(response, served)
  hearPipes(response)
  hearDestroy(served)
  holdEnd(request)
  if (adapter.holds) holdWritten(served)
  if (adapter.serverTiming) timeInto(served.scope, response)
  return served
}

/** What its handlers write by themselves. */
function holdWritten(served: Served): void {
  holdLastByte(served.response)
  holdAnswer(served)
}
