/**
 * Hearing of the end of an answer. The listeners are the same few functions for all responses, which find there what
 * they answer: closures for each request would triple the cost. Each is added when there is something to hear.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { cut, hasClosed, isHttp2 } from './failure.ts'
import { isEnded, looksEnded, showsEnd } from './held-end.ts'
import { watchQueued } from './pipelined.ts'
import type { Served } from './served.ts'
import { endSource } from './sources.ts'
import { failWithConnection } from './uploads.ts'

const key: unique symbol = Symbol('unwind.served')

/** A response on which the listeners find what it answers; or a request without one, of an upgrade. */
type Answer = (ServerResponse | IncomingMessage) & { [key]?: Served }

/** What `response` answers, where an adapter of this package opened it. */
export function servedOf(response: Answer): Served | undefined {
  // Others may have answered it.
  return response[key]
}

export function answers(response: Answer, served: Served): void {
  response[key] = served
}

/** Before the handler runs, which may pipe at once. */
export function hearPipes(response: ServerResponse): void {
  response.on('pipe', onPipe)
}

/**
 * Whoever destroys an answer of HTTP/2 before its end cuts it, as Fastify does where a stream fails: without an error Node.js
 * resets it as if it were complete. One whose end is held back has ended for whoever writes it, as `@hono/node-server` does
 * before it destroys what was not read of a request: that comes after the end.
 */
export function hearDestroy(served: Served): void {
  const { response } = served
  if (!isHttp2(response)) return
  const destroy = response.destroy.bind(response)
  response.destroy = (error) => {
    if (isEnded(response)) return destroy(error)
    if (served.heldEnd !== undefined) return response.once('finish', () => destroy(error))
    cut(response)
    return destroy(error)
  }
}

/** Where the answer has not ended with the handler's call: the end of its connection, and that of its time if it has come. */
export function hear(served: Served): void {
  const { request, response, adapter, scope } = served
  response.on('close', onClose)
  // Of an answer to HEAD that has not ended, HTTP/2 tells by its stream alone, which ends with the head.
  if (request.method === 'HEAD' && isHttp2(response)) {
    const { stream } = response
    stream.once('close', () => {
      const isWhole = stream.rstCode === 0 && response.headersSent
      // Node.js takes no more of what is piped, and would never say so.
      if (isWhole && served.sourced) response.end()
      else if (!isWhole || served.stage !== 'unseen') served.left()
    })
  }
  if (response.socket === null) watchQueued(request, response, () => served.left())
  // What comes after the grace of a shutdown was aborted before anybody could listen.
  if (adapter.scope.timeout !== undefined && scope.signal.aborted) served.handleEvent()
  // Nor is it told of a client that left before: while a middleware waited, whose request this was until then.
  if (isGone(request, response)) served.left()
}

/** On Node.js 22, of an answer that waits in line only its connection says so. Test harnesses have none. */
function isGone({ socket }: { readonly socket: Socket | null }, response: ServerResponse): boolean {
  return hasClosed(response) || (!isHttp2(response) && socket?.destroyed === true)
}

/** Where the answer has not ended with its handler. */
export function hearProduced(response: ServerResponse): void {
  response.on(hasPrefinish(response) ? 'prefinish' : 'finish', onProduced)
}

/** Neither the compatibility API of HTTP/2 has it, nor the mocks that some test with, which were never constructed. */
function hasPrefinish(response: ServerResponse): boolean {
  return 'sendDate' in response && !isHttp2(response)
}

/**
 * Where the client has left: no event tells of the end of an answer that waited in line, or of one of HTTP/2, and whoever
 * finds that nobody would get it may destroy it instead, as Fastify does with what it makes of an error.
 */
export function hearEnd(served: Served): void {
  const { response } = served
  aroundEnd(served, (end) => {
    end()
    endWithAnswer(served)
  })
  const destroy = response.destroy.bind(response)
  response.destroy = (error) => {
    served.completes = false
    endWithAnswer(served)
    return destroy(error)
  }
}

/** A handler that returned no promise. It may be in the middle of its last step. */
function endWithAnswer(served: Served): void {
  process.nextTick(() => {
    if (served.stage === 'unseen') served.stage = 'settled'
    served.check()
  })
}

/**
 * Where somebody else writes the answer: its end, which may be all of it, is not sent before the scope closed, so
 * that a commit that fails is an error response, or leaves an answer that had begun visibly unfinished.
 */
export function holdAnswer(served: Served): void {
  const { response } = served
  const before = waiting(response)
  aroundEnd(served, (end, first, awaited) => {
    if (served.over || served.answeredFor || served.failure !== undefined || hasClosed(response)) {
      showsEnd(response)
      end()
      // Where there are two, the one with a body counts, such as that of an error handler.
    } else if (served.heldEnd === undefined || isBody(first)) {
      served.heldEnd = () => {
        showsEnd(response)
        if (!response.destroyed) end()
      }
      looksEnded(response)
      if (awaited || waiting(response) > before) settleInTurn(served)
      else response.on('newListener', onNewListener)
    }
  })
}

/** How many wait for the end of an answer, or of its connection. */
function waiting(response: ServerResponse): number {
  const others = response.listeners('close').filter((listener) => listener !== onClose)
  return response.listenerCount('finish') + others.length
}

/** Of an answer whose end is held back. */
function onNewListener(this: Answer, name: unknown, listener: unknown): void {
  const served = this[key]
  if (served === undefined || (name !== 'finish' && name !== 'close') || listener === onClose)
    return
  settleInTurn(served)
}

/** Who ends the answer may wait for that, as `pipeline()` does, and has no more to do before it. After its last step. */
function settleInTurn(served: Served): void {
  setImmediate(() => {
    if (served.stage !== 'running') return
    // Of a handler whose result would have been the answer, and which has written by itself.
    if (served.taken !== undefined) served.completes = false
    served.settle('settled')
  })
}

/**
 * @param called what `response.end()` does from now on, of which `served` is told; is given what it did, its first argument,
 * and whether it has a callback
 */
function aroundEnd(
  served: Served,
  called: (end: () => void, first: unknown, awaited: boolean) => void,
): void {
  const { response } = served
  // All its overloads at once.
  const end = response.end.bind(response) as (...given: unknown[]) => unknown
  response.end = (...given: unknown[]): ServerResponse => {
    called(() => void end(...given), given[0], typeof given.at(-1) === 'function')
    served.produced()
    return response
  }
}

/** And no callback. */
function isBody(first: unknown): boolean {
  return first !== undefined && first !== null && typeof first !== 'function'
}

function onProduced(this: Answer): void {
  this[key]?.produced()
}

function onClose(this: Answer): void {
  const served = this[key]
  served?.left()
  if (served?.over === false) failWithConnection(served.request, served.scope.signal.reason)
}

function onPipe(this: Answer, source: Readable): void {
  const served = this[key]
  served?.sources.pipe(source)
  // Node.js does not tell what is piped into an answer of HTTP/2 whose client has left.
  if (served?.gone === true) process.nextTick(() => endSource(source))
}
