/**
 * What a handler returned becomes the answer. The order is the point: the handler settles, its scope closes, then the
 * answer is sent; so a failed commit is an error response. Only a body that is still being produced keeps the scope open.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isThenable } from '../core/dispose.ts'
import type { Scope } from '../core/types.ts'
import { throwIfOvertaken } from './ends.ts'
import { holdLastByte } from './last-byte.ts'
import { pump } from './pump.ts'
import {
  discard,
  hasNoBody,
  isNoReply,
  replyOf,
  send,
  writeHead,
  type Reply,
  type Whole,
} from './reply.ts'
import type { Served } from './served.ts'
import { open, type Source } from './source.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, scope: Scope) => unknown

/** Call `handler` and answer with what it returns. Fails with what its client should be told instead, or tells `served`. */
export function answer(served: Served, handler: Handler): void {
  served.take(handler)
  const value = handler(served.request, served.response, served.scope)
  if (isThenable(value)) void answerLater(served, handler, value)
  else settleWith(served, handler, value)
}

async function answerLater(
  served: Served,
  handler: Handler,
  promised: PromiseLike<unknown>,
): Promise<void> {
  try {
    settleWith(served, handler, await promised)
  } catch (error) {
    served.fail(error)
  }
}

/** Answer with `value`, and tell `served` when that is done. */
function settleWith(served: Served, handler: Handler, value: unknown): void {
  if (isHandedOver(served, handler, value)) return
  const rest = answerWith(served, value)
  if (rest === undefined) served.settle('settled')
  else void settleAfter(served, rest)
}

async function settleAfter(served: Served, rest: Promise<void>): Promise<void> {
  try {
    await rest
    served.settle('settled')
  } catch (error) {
    served.fail(error)
  }
}

/** `handler` has called another adapter, which answers, and says when that has ended. */
export function isHandedOver(served: Served, handler: unknown, value: unknown): boolean {
  return served.taken !== handler && isNoReply(value, served.response)
}

/** Answer with `value`. `undefined`: that is done. Fails with what the client should be told instead. */
export function answerWith(served: Served, value: unknown): Promise<void> | undefined {
  if (served.over || served.overtaken) return discarded(served, value)
  if (isNoReply(value, served.response)) {
    // Whatever was to be committed has been.
    served.completes = false
    return value === undefined || value === served.response ? undefined : discard(value)
  }
  const reply = replyOf(value)
  const { body } = reply
  if (typeof body === 'string' || body instanceof Uint8Array || body === undefined) {
    return finish(served, reply, body)
  }
  // A client that has left is not sent the rest of what its handler was in time to fulfil.
  const unread = served.gone || hasNoBody(served, reply)
  return unread ? withoutBody(served, reply, body) : stream(served, reply, body)
}

async function discarded(served: Served, value: unknown): Promise<void> {
  await discard(value)
  throwIfOvertaken(served)
}

/** No promise where there is nothing to wait for, as in most requests. */
function finish(served: Served, reply: Reply, body: Whole): Promise<void> | undefined {
  // Where this was called by another adapter, that may have seen no result before.
  served.completes = true
  if (served.adapter.closeAt === 'answer') {
    const closing = served.end()
    if (closing !== undefined || served.failure !== undefined) {
      return sendAfter(closing, served, reply, body)
    }
  }
  send(reply, body, served.response)
  return undefined
}

/** Rejects with what fails while releasing, or with what had failed: whoever answers that finds nothing of `reply`. */
async function sendAfter(
  closing: Promise<void> | undefined,
  served: Served,
  reply: Reply,
  body: Whole,
): Promise<void> {
  if (closing !== undefined) await closing
  if (served.failure !== undefined) throw served.failure.error
  send(reply, body, served.response)
}

async function withoutBody(served: Served, reply: Reply, body: Source): Promise<void> {
  await body.cancel(undefined)
  await finish(served, reply, undefined)
}

async function stream(served: Served, reply: Reply, body: Source): Promise<void> {
  const { response, scope } = served
  const opened = await open(body)
  if (opened.whole) {
    await finish(served, reply, opened.body)
    return
  }
  holdLastByte(response)
  await pump(opened.source, response, scope.signal, () => {
    writeHead(reply, response)
    if (!opened.begun) response.flushHeaders()
  })
  await finish(served, reply, undefined)
}
