/**
 * What a handler returned becomes the answer. The order is the point: the handler settles, its scope closes, then the
 * answer is sent; so a failed commit is an error response. Only a body that is still being produced keeps the scope open.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Scope } from '../core/types.ts'
import { pump } from './pump.ts'
import { discard, hasNoBody, isNoReply, replyOf, writeHead, writeWhole } from './reply.ts'
import type { Served } from './served.ts'
import { open, type Source } from './source.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, scope: Scope) => unknown

/** Call `handler` and answer with what it returns. Rejects with what its client should be told instead. */
export async function answer(served: Served, handler: Handler): Promise<void> {
  const { request, response, scope } = served
  served.seen = true
  const value: unknown = await handler(request, response, scope)
  if (served.over || served.overtaken) {
    await discard(value)
    served.throwIfOvertaken()
    return
  }
  if (isNoReply(value, response)) {
    // Whatever was to be committed has been.
    served.completes = false
    served.waits = true
    return
  }
  const reply = replyOf(value)
  writeHead(reply, response)
  const { body } = reply
  if (typeof body === 'string' || body instanceof Uint8Array || body === undefined) {
    await finish(served, body)
  } else if (hasNoBody(request, response)) {
    await body.cancel(undefined)
    await finish(served, undefined)
  } else {
    await stream(served, body)
  }
}

async function finish(served: Served, body: string | Uint8Array | undefined): Promise<void> {
  if (served.adapter.closeResultAt === 'answer') await served.close()
  writeWhole(body, served.response)
}

async function stream(served: Served, body: Source): Promise<void> {
  const opened = await open(body)
  if (opened.whole) {
    await finish(served, opened.body)
    return
  }
  if (!opened.begun) served.response.flushHeaders()
  await pump(opened.source, served.response, served.scope.signal)
  await finish(served, undefined)
}
