/** The shop over HTTP. A handler takes what it needs from its scope, and returns its answer or throws. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { App, Scope } from 'unwind'
import { handle } from 'unwind/http'
import type { Inspector } from 'unwind/inspector'

import { page } from './page.ts'
import { placeOrder, readJson, readOrder, Refusal, type Shop } from './shop.ts'

/** Milliseconds for an order, and for an express order: answered by then, or taken back. */
export const patience = { order: 10_000, express: 30 } as const

export function createShopServer(app: App, shop: Shop, look: Inspector | null): Server {
  const order = (request: IncomingMessage, response: ServerResponse, scope: Scope) =>
    answerOrder(shop, request, response, scope)
  const routes: Record<string, ReturnType<typeof handle>> = {
    'POST /orders': handle(app, order, { timeout: patience.order }),
    'POST /orders/express': handle(app, order, { timeout: patience.express }),
    'GET /held': handle(app, () => shop.meter.counts),
    'GET /': handle(app, (_request, response) => {
      response.setHeader('Content-Type', 'text/html; charset=utf-8')
      return page
    }),
  }
  const lost = handle(app, () => {
    throw new Refusal(404, 'There is nothing here.')
  })
  return createServer((request, response) => {
    if (look?.handler(request, response) === true) return
    const [path] = (request.url ?? '/').split('?')
    const route = routes[`${request.method} ${path}`] ?? lost
    route(request, response)
  })
}

async function answerOrder(
  shop: Shop,
  request: IncomingMessage,
  response: ServerResponse,
  scope: Scope,
): Promise<unknown> {
  shop.meter.track(scope, 'requests')
  const order = readOrder(readJson(await readText(request)))
  response.statusCode = 201
  // "102 Processing" tells the client that its order is written, and not yet accepted.
  return placeOrder(shop, scope, order, () => response.writeProcessing())
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > 65_536) throw new Refusal(413, 'An order of more than 64 kB.')
  }
  return text
}
