/** A server whose every request is watched, with `scoped` around its handler. */
import type { IncomingMessage, ServerResponse } from 'node:http'

import type { Scope } from 'unwind'
import { scoped, type AdapterOptions } from 'unwind/http'

import { Site } from './site.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

export function openScoped(handler: Handler, options?: AdapterOptions): Promise<Site> {
  return Site.open((site) =>
    scoped(
      site.app,
      (request: IncomingMessage, response: ServerResponse) => {
        site.watch()
        return handler(request, response)
      },
      options,
    ),
  )
}

/** Resolves after what has been scheduled has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** What a body is made from that fails after its first piece, once that has been sent. */
export async function* brokenWith(error: unknown): AsyncGenerator<string> {
  yield 'half'
  await turn()
  await turn()
  throw error
}

/** Rejects with the reason once `scope` is aborted. */
export function untilAborted({ signal }: Scope): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort)
  })
}
