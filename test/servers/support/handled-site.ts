/** A server whose every request is watched, with `handle` around its handler. */
import type { IncomingMessage, ServerResponse } from 'node:http'

import type { Scope } from 'unwind'
import { handle, type HandleOptions } from 'unwind/http'

import { Site } from './site.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse, scope: Scope) => unknown

export function openHandled(handler: Handler, options?: HandleOptions): Promise<Site> {
  return Site.open((site) =>
    handle(
      site.app,
      (request, response, scope) => {
        site.watch(scope)
        return handler(request, response, scope)
      },
      options,
    ),
  )
}
