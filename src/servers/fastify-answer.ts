/**
 * Holding an answer of Fastify back until its scope closed.
 */
import type { FastifyReply, FastifyRequest, RouteOptions, onSendHookHandler } from 'fastify'
import { isObject } from '../core/dispose.ts'
import { isCompleted } from './adapter.ts'
import { isEmptyStatus } from './body.ts'
import { statusOf } from './failure.ts'
import {
  isCancelled,
  isFetched,
  isStream,
  isTimeout,
  isUnwanted,
  looksSent,
  observed,
  showsSent,
} from './fastify-handler.ts'
import { servedOf } from './hearing.ts'
import { discard } from './reply.ts'
import { closeForAnswer, visible } from './for-answer.ts'
import { streams } from './last-byte.ts'
import type { Served } from './served.ts'
import { bodyOf, open, piecesOf, sourceOf, type Opened } from './source.ts'

type Done = Parameters<onSendHookHandler>[3]

/** On the configuration of a route, because Fastify keeps neither the route nor its handler. */
const key: unique symbol = Symbol('unwind.observed')

/** From now on the end of the handler of `route` is told to what is served, and its answer is held back. */
export function observe(route: RouteOptions): void {
  route.handler = observed(route.handler)
  // After all others, which may still use the scope.
  route.onSend = [...[route.onSend ?? []].flat(), holdBack]
  if (route.method === 'HEAD') route.onSend.unshift(withoutBody)
  route.config = Object.assign({ ...route.config }, { [key]: true })
}

/** An `onError` hook: an error that a handler sent or returned fails its scope as one that it threw. */
export function failWith(
  _request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  done: () => void,
): void {
  const served = servedOf(reply.raw)
  // A later hook has failed, and nothing of the answer is sent.
  if (served?.over === true && !served.response.headersSent) served.answering = false
  // Of two answers only the first counts, and the handler may go on after this one.
  if (served !== undefined && !served.over && (!served.answering || isUnbegun(served))) {
    served.seen = true
    // As one that is being made, it would be cut.
    if (served.answering) served.scope.signal.removeEventListener('abort', served)
    served.answering = false
    served.scope.fail(error)
    if (isWorking(served) && isTimeout(error)) giveUp(served, error)
  }
  done()
}

/** Fastify answers in the place of the handler. */
function giveUp(served: Served, reason: unknown): void {
  served.expectEnd()
  served.answeredFor = true
  served.scope.abort(reason)
}

/** It is not held back, and nothing of it is sent: a stream, which failed before its first piece. */
function isUnbegun({ held, response }: Served): boolean {
  return !held && !response.headersSent
}

/** An `onSend` hook. */
function holdBack(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: Done,
): void {
  const served = servedOf(reply.raw)
  if (isAgain(served)) return
  const unread = served !== undefined && isUnwanted(served)
  if (unread && isCancelled(payload)) {
    done(null, null)
    return
  }
  if (served === undefined || (served.over && !unread)) {
    done()
    return
  }
  if (served.taken !== undefined) {
    served.answering = true
    // It was released where its handler ended while other hooks had the answer.
    served.held = true
  }
  const streamed = isStream(payload)
  if (isFetched(payload)) void holdFetched(served, reply, payload, done)
  else if (streamed && (unread || hasNoBody(reply))) void holdUnread(served, reply, payload, done)
  else hold(served, reply, streamed, done)
}

/** Whether the protocol allows this answer no body. */
function hasNoBody({ request, statusCode }: FastifyReply): boolean {
  return request.method === 'HEAD' || isEmptyStatus(statusCode)
}

/**
 * What is held back does not look sent, so Fastify sends `undefined` for an async handler that called `reply.send()` and
 * returned nothing: only the first counts.
 */
function isAgain(served: Served | undefined): boolean {
  return served?.answering === true && served.failure === undefined
}

/** An `onSend` hook of routes for HEAD, of which the next one, Fastify's own, would take a `Response` for a text. */
async function withoutBody(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (!isFetched(payload) || 'getReader' in payload || isCancelled(payload)) return payload
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  await bodyOf(payload)?.cancel(undefined)
  return ReadableStream.from([])
}

function hold(served: Served, reply: FastifyReply, streamed: boolean, done: Done): void {
  const early = served.adapter.closeAt === 'answer'
  served.streams = false
  if (streamed && early) streams(served)
  if (streamed || !early || served.answeredFor) release(served, reply, done)
  else if (isWorking(served)) void holdUntilLastStep(served, reply, done)
  else close(served, reply, done)
}

/** The route handler has not ended: not that it has not begun, where a hook answers in its place. */
function isWorking({ stage, taken }: Served): boolean {
  return stage === 'running' && taken !== undefined
}

/** Fastify would answer at once, and read what is not sent. */
async function holdUnread(
  served: Served,
  reply: FastifyReply,
  stream: object,
  done: Done,
): Promise<void> {
  try {
    await discard(stream)
    hold(served, reply, false, passing(null, done))
  } catch (error) {
    refuse(served, reply, error, done)
  }
}

/** What a body of the Fetch standard yields at once may be all of it, as in a `Response` made of a string. */
async function holdFetched(
  served: Served,
  reply: FastifyReply,
  payload: Response | ReadableStream,
  done: Done,
): Promise<void> {
  const response = 'getReader' in payload ? undefined : payload
  try {
    const source = response === undefined ? sourceOf(payload) : bodyOf(response)
    // Nobody would get it; of a body that is not sent Fastify would read all, or nothing, and not end it.
    const unread =
      isUnwanted(served) ||
      reply.request.method === 'HEAD' ||
      (response === undefined && isEmptyStatus(reply.statusCode))
    if (unread) await source?.cancel(undefined)
    const opened = unread || source === undefined ? undefined : await open(source)
    const body = opened === undefined ? null : await bodyFrom(served, opened)
    const sent = response === undefined ? body : new Response(body, response)
    hold(served, reply, opened?.whole === false && body !== null, passing(sent, done))
  } catch (error) {
    refuse(served, reply, error, done)
  }
}

/**
 * The `onSend` hook where there is no route, or one that was added before the plugin: the first of all. What completes
 * nothing need not be held back, so that those that follow find the scope open.
 */
export function holdBackUnrouted(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: Done,
): void {
  const served = servedOf(reply.raw)
  if (isAgain(served)) return
  if (served === undefined || served.taken !== undefined || isObserved(request)) {
    done()
    return
  }
  const doubted = reply.statusCode >= served.adapter.doubtedFrom && !isCompleted(served.scope)
  if (doubted) release(served, reply, done)
  else holdBack(request, reply, payload, done)
}

/** Whether the last hook of its route holds the answer back. */
function isObserved({ routeOptions }: FastifyRequest): boolean {
  // What is no route may have none.
  const config: unknown = routeOptions.config
  return isObject(config) && key in config
}

function close(served: Served, reply: FastifyReply, done: Done): void {
  served.completes = true
  const closing = closeForAnswer(served)
  if (closing === undefined) {
    proceed(served, reply, done)
    return
  }
  // Else Fastify goes on to the next hooks, and to the handler, after one that has answered.
  looksSent(reply)
  closing.then(
    () => proceed(served, reply, done),
    (error: unknown) => refuse(served, reply, error, done),
  )
}

function release(served: Served, reply: FastifyReply, done: Done): void {
  served.completes = true
  served.release()
  proceed(served, reply, done)
}

/** What Fastify cannot send is an error like any other. */
function proceed(served: Served, reply: FastifyReply, done: Done): void {
  showsSent(reply)
  try {
    done()
  } catch (error) {
    served.answering = false
    reply.send(error)
  }
}

function refuse(served: Served, reply: FastifyReply, error: unknown, done: Done): void {
  showsSent(reply)
  served.answering = false
  // Fastify keeps the status that the handler has chosen for its success.
  if (reply.statusCode < 400) reply.code(statusOf(error) ?? 500)
  done(visible(error) as Error)
  // Nothing comes of that where the handler was answered for.
  served.check()
}

/**
 * The handler has called `reply.send()`. If that was its last step, the answer is its result; if it goes on working, the
 * scope waits for it, and the answer does not.
 */
async function holdUntilLastStep(served: Served, reply: FastifyReply, done: Done): Promise<void> {
  // For the handler it is, and Fastify warns of a second one.
  looksSent(reply)
  const isLast = await new Promise<boolean>((resolve) => {
    served.onSettled = () => {
      // Fastify answers what the handler failed with.
      if (served.failure !== undefined) showsSent(reply)
      resolve(true)
    }
    setImmediate(resolve, false)
  })
  if (served.failure !== undefined) {
    // What comes of that may not be heard of: the handler was answered for.
    served.answering = false
    served.check()
    return
  }
  if (isLast) {
    close(served, reply, done)
    return
  }
  served.completes = false
  served.release()
  proceed(served, reply, done)
}

/** `null`: nobody wants it any more. */
async function bodyFrom(
  served: Served,
  opened: Opened,
): Promise<Buffer<ArrayBuffer> | ReadableStream | null> {
  // With a head that was sent before, Fastify sends streams, and nothing else.
  const { headersSent } = served.response
  if (opened.whole) return headersSent ? ReadableStream.from([opened.body]) : opened.body
  if (!isUnwanted(served))
    return ReadableStream.from(piecesOf(opened.source, served.sources.begin()))
  await opened.source.cancel(undefined)
  return null
}

/** `done`, for `payload` where nothing failed. */
function passing(payload: unknown, done: Done): Done {
  return (error?: Error | null) => (error ? done(error) : done(null, payload))
}
