/**
 * The shop over WebSockets: a scope for each socket, and inside it one for each order, because a transaction must not
 * live as long as a customer stays.
 */
import type { IncomingMessage } from 'node:http'
import type { Scope } from 'unwind'
import type { Socket } from 'unwind/ws'

import { patience } from './server.ts'
import { placeOrder, readJson, readOrder, Refusal, type Shop } from './shop.ts'

/** What a customer says. `within` is the time for this order, in milliseconds. */
export interface Wish {
  readonly order: unknown
  readonly within?: number
}

/** What the shop says. */
export type Message =
  | { readonly sold: string; readonly items: number; readonly total: number }
  | { readonly processing: string }
  | { readonly accepted: string }
  | { readonly refused: string; readonly why: string }

type Tell = (message: Message) => Promise<void>

export async function serveCustomer(
  shop: Shop,
  socket: Socket,
  scope: Scope,
  request: IncomingMessage,
): Promise<void> {
  shop.meter.track(scope, request.url === '/feed?page' ? 'visitors' : 'sockets')
  // A customer who is gone ends the loop below; what could not be sent any more is nobody's loss.
  const tell: Tell = (message) => socket.send(JSON.stringify(message)).catch(() => {})
  scope.use(shop.feed.subscribe(({ id, ...sale }) => void tell({ sold: id, ...sale })))
  for await (const text of socket) await takeOrder(shop, socket, scope, String(text), tell)
}

async function takeOrder(
  shop: Shop,
  socket: Socket,
  scope: Scope,
  text: string,
  tell: Tell,
): Promise<void> {
  const wish: { [Key in keyof Wish]?: unknown } = Object(readJson(text))
  const order = readOrder(wish.order)
  const timeout = Math.min(Number(wish.within ?? patience.order), patience.order)
  // Of kind `request`, so that it has a transaction of its own. Its signal is the socket's: also a customer who says
  // goodbye in the middle of an order takes it back.
  const own = { kind: 'request', timeout, signal: socket.signal } as const
  try {
    await scope.run(own, (request) =>
      placeOrder(shop, request, order, () => tell({ processing: order.id })),
    )
    await tell({ accepted: order.id })
  } catch (error) {
    // Whoever leaves in the middle takes the order back. The loop ends now, and with an error if there was no goodbye.
    if (socket.signal.aborted) return
    if (!isForCustomer(error)) throw error
    await tell({ refused: order.id, why: error.message })
  }
}

/** Anything else is a fault of the shop, and ends the socket. */
function isForCustomer(error: unknown): error is Error {
  return error instanceof Refusal || (error instanceof Error && error.name === 'TimeoutError')
}
