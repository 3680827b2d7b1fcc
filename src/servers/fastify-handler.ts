/**
 * Seeing the end of a handler of Fastify: no hook tells that of one whose client left.
 */
import type { FastifyReply, RouteHandlerMethod } from 'fastify'
import { isObject, isThenable } from '../core/dispose.ts'
import { servedOf } from './hearing.ts'
import { isEnded } from './held-end.ts'
import { discard } from './reply.ts'
import type { Served } from './served.ts'

const observing = new WeakSet<RouteHandlerMethod>()

/** `handler`, whose end is told to what is served. Once: Fastify makes a second route, for HEAD, of one for GET. */
export function observed(handler: RouteHandlerMethod): RouteHandlerMethod {
  if (observing.has(handler)) return handler
  const observer: RouteHandlerMethod = function observer(request, reply) {
    const served = servedOf(reply.raw)
    if (served === undefined) return handler.call(this, request, reply)
    served.take(handler)
    // A route of @fastify/websocket is called with a request in its place.
    if (isThenable(reply)) watchThen(served, reply, handler)
    try {
      const result: unknown = handler.call(this, request, reply)
      follow(served, reply, result, handler)
      return result
    } catch (error) {
      served.fail(error)
      throw error
    }
  }
  observing.add(observer)
  return observer
}

function follow(served: Served, reply: FastifyReply, result: unknown, handler: unknown): void {
  const isReply = result === reply
  if (isThenable(result) && !isReply) {
    result.then(
      (value) => {
        if (served.taken === handler) settle(served, value, reply)
      },
      (error: unknown) => served.fail(error),
    )
    return
  }
  // What another adapter was called with ends with that.
  if (served.taken !== handler) return
  // It answers later, with reply.send().
  if (result === undefined || isReply) served.seen = false
  served.settle(served.seen ? 'settled' : 'unseen')
}

/**
 * `return reply` and `await reply` call its `then`, maybe long before `reply.send()`, or before hooks have passed on what
 * that was given. Who waits for the end of the answer has no more to do before that.
 */
function watchThen(served: Served, reply: FastifyReply, handler: unknown): void {
  const then = reply.then.bind(reply)
  // oxlint-disable-next-line unicorn/no-thenable -- it is one
  reply.then = (fulfilled, rejected) => {
    if (served.taken === handler && served.stage === 'running') {
      served.settle('settled')
      // What looks sent is not waited for.
      showsSent(reply)
    }
    then(fulfilled, rejected)
  }
}

/** Without a value, and without one that was given to `reply.send()`, the handler has answered by itself. */
function settle(served: Served, value: unknown, reply: FastifyReply): void {
  if ((value === undefined || value === reply) && !served.answering) {
    served.completes = false
    served.release()
  }
  if (isUnwanted(served) && (isFetched(value) || isStream(value))) void settleUnread(served, value)
  else served.settle('settled')
}

/** Fastify would begin to read it after the scope has closed, or drop it. */
async function settleUnread(served: Served, value: object): Promise<void> {
  try {
    await discard(value)
    served.settle('settled')
  } catch (error) {
    served.fail(error)
  }
}

/** Its client has left, or was answered in the place of the handler. */
export function isUnwanted({ gone, response }: Served): boolean {
  return gone || isEnded(response)
}

/** What a handler has returned that nobody wants any more. */
export function isCancelled(payload: unknown): boolean {
  if (isStream(payload)) return payload.destroyed === true
  return isFetched(payload) && ('getReader' in payload ? payload : payload.body)?.locked === true
}

/** As Fastify tells them. */
export function isStream(payload: unknown): payload is { readonly destroyed?: unknown } {
  return isObject(payload) && 'pipe' in payload
}

/** The same. */
export function isFetched(payload: unknown): payload is Response | ReadableStream {
  if (!isObject(payload)) return false
  return 'getReader' in payload || Object.prototype.toString.call(payload) === '[object Response]'
}

/** For whoever sent `reply` it is, though it is held back. */
export function looksSent(reply: FastifyReply): void {
  Object.defineProperty(reply, 'sent', { value: true, configurable: true })
}

/** From here on `reply` tells by itself whether it is sent. */
export function showsSent(reply: FastifyReply): void {
  Reflect.deleteProperty(reply, 'sent')
}

/** Of Fastify's own, `handlerTimeout`. */
export function isTimeout(error: unknown): boolean {
  return isObject(error) && 'code' in error && error.code === 'FST_ERR_HANDLER_TIMEOUT'
}
