/**
 * Ten ways of being a customer: what each does, and how the shop must end its order. They talk to the shop over the
 * network only. Whoever gives up does so when the shop has said that the order is written, so always in the middle.
 */
import { request, type Agent, type ClientRequest } from 'node:http'
import { connect, socket, type Socket } from 'unwind/ws'
import { WebSocket } from 'ws'

import type { Card } from './bank.ts'
import type { Status } from './meter.ts'
import { patience } from './server.ts'
import type { Order } from './shop.ts'
import type { Message, Wish } from './sockets.ts'

export interface Customer {
  readonly name: string
  /** Of twenty customers, so many are of this kind. */
  readonly share: number
  readonly card: Card
  /** How the scope of the order must end. */
  readonly ends: Status
  /** Rejects where anything goes otherwise than planned. */
  order(shop: Connection, order: Order): Promise<void>
}

export interface Connection {
  readonly url: string
  readonly agent: Agent
}

export const overHttp: readonly Customer[] = [
  {
    name: 'answered',
    share: 14,
    card: 'accepted',
    ends: 'success',
    order: async (shop, order) => expectStatus(201, await post(shop, '/orders', order)),
  },
  {
    name: 'threw in the handler',
    share: 2,
    card: 'broken',
    ends: 'failure',
    order: async (shop, order) => expectStatus(500, await post(shop, '/orders', order)),
  },
  {
    name: 'cancelled by the client',
    share: 2,
    card: 'silent',
    ends: 'aborted',
    order: (shop, order) => giveUp(shop, order, (sent) => sent.destroy()),
  },
  {
    name: 'timed out',
    share: 1,
    card: 'silent',
    ends: 'aborted',
    order: async (shop, order) => expectStatus(503, await post(shop, '/orders/express', order)),
  },
  {
    name: 'vanished',
    share: 1,
    card: 'silent',
    ends: 'aborted',
    // A reset of the connection, as from a process that was killed.
    order: (shop, order) => giveUp(shop, order, (sent) => sent.socket?.resetAndDestroy()),
  },
]

export const overSockets: readonly Customer[] = [
  {
    name: 'ordered, then closed',
    share: 14,
    card: 'accepted',
    ends: 'success',
    async order(shop, order) {
      await using peer = await connect(feedOf(shop))
      await wish(peer, { order })
      await hear(peer, { sold: order.id }, { accepted: order.id })
    },
  },
  {
    name: 'threw in the handler',
    share: 2,
    card: 'broken',
    ends: 'failure',
    async order(shop, order) {
      await using peer = await connect(feedOf(shop))
      await wish(peer, { order })
      for await (const _news of peer);
      const { code } = await peer.closed
      if (code !== 1011) throw new Error(`The socket was closed with ${code}, not with 1011.`)
    },
  },
  {
    name: 'closed in the middle',
    share: 2,
    card: 'silent',
    ends: 'aborted',
    async order(shop, order) {
      await using peer = await connect(feedOf(shop))
      await wish(peer, { order })
      await hear(peer, { processing: order.id })
    },
  },
  {
    name: 'timed out',
    share: 1,
    card: 'silent',
    ends: 'aborted',
    async order(shop, order) {
      await using peer = await connect(feedOf(shop))
      await wish(peer, { order, within: patience.express })
      await hear(peer, { refused: order.id })
    },
  },
  {
    name: 'vanished, no close frame',
    share: 1,
    card: 'silent',
    ends: 'aborted',
    async order(shop, order) {
      const raw = new WebSocket(feedOf(shop))
      await using peer = socket(raw)
      await wish(peer, { order })
      await hear(peer, { processing: order.id })
      raw.terminate()
    },
  },
]

function post(
  { url, agent }: Connection,
  path: string,
  order: Order,
  onProcessing?: (sent: ClientRequest) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, { method: 'POST', agent })
    sent.on('information', () => onProcessing?.(sent))
    sent.on('response', (answer) => {
      answer.on('error', reject).on('end', () => resolve(answer.statusCode ?? 0))
      answer.resume()
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(order))
  })
}

async function giveUp(
  shop: Connection,
  order: Order,
  leave: (sent: ClientRequest) => void,
): Promise<void> {
  let left = false
  const answer = post(shop, '/orders', order, (sent) => {
    left = true
    leave(sent)
  })
  const status = await answer.catch((error: unknown) => {
    if (!left) throw error
  })
  if (status !== undefined) throw new Error(`Answered with ${status} to a client that had left.`)
}

function expectStatus(expected: number, status: number): void {
  if (status !== expected) throw new Error(`Answered with ${status}, not with ${expected}.`)
}

function feedOf({ url }: Connection): string {
  return `${url.replace('http', 'ws')}/feed`
}

function wish(peer: Socket, message: Wish): Promise<void> {
  return peer.send(JSON.stringify(message))
}

/** Listen to the feed, which tells of other sales too, until all of `expected` was said. */
async function hear(peer: Socket, ...expected: Partial<Record<string, string>>[]): Promise<void> {
  const missing = new Set(expected.flatMap((message) => Object.entries(message).map(String)))
  for await (const text of peer) {
    for (const entry of Object.entries(JSON.parse(String(text)) as Message)) {
      missing.delete(String(entry))
    }
    if (missing.size === 0) return
  }
  throw new Error(`The socket was closed before it said ${[...missing].join(' and ')}.`)
}
