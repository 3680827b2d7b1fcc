/** The shop itself: its tables, its goods, and what happens with an order. It knows neither HTTP nor sockets. */
import type { Resource, Scope } from 'unwind'

import { cards, charge, type Card } from './bank.ts'
import type { Feed, Sale } from './feed.ts'
import type { Meter } from './meter.ts'
import type { Transaction } from './store.ts'

export interface Shop {
  readonly transaction: Resource<Transaction>
  readonly feed: Feed
  readonly meter: Meter
}

export interface Line {
  readonly product: number
  readonly quantity: number
}

/** The client chooses the id, so it knows what to look for in the books whatever became of its connection. */
export interface Order {
  readonly id: string
  readonly card: Card
  readonly lines: readonly Line[]
}

/** A request that the shop understands and does not want. `unwind/http` answers with the status. */
export class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * Write `order` and take the money. Nothing here commits, rolls back or releases: the scope does, when it ends, and
 * it knows whether this went well, threw or was cut short.
 */
export async function placeOrder(
  { transaction, feed, meter }: Shop,
  scope: Scope,
  order: Order,
  onWritten: () => unknown,
): Promise<Sale> {
  const { id, card, lines } = order
  const sale = { id, items: lines.reduce((sum, { quantity }) => sum + quantity, 0), total: 0 }
  // Older than the transaction, so it runs after the commit, and knows whether that went well.
  scope.defer(({ status }) => {
    if (status === 'success') feed.publish(sale)
    meter.ended(id, status)
  })
  const books = await scope.get(transaction)
  sale.total = await write(books, order)
  await onWritten()
  await charge(card, scope.signal)
  return sale
}

/** @returns the price of it all, in cents */
async function write(books: Transaction, { id, card, lines }: Order): Promise<number> {
  const added = await books.run(
    `insert into shop_orders (id, card, total) values ($1, $2, 0) on conflict (id) do nothing`,
    id,
    card,
  )
  if (added === 0) throw new Refusal(409, `There is an order ${id} already.`)
  let total = 0
  for (const line of lines) total += await take(books, id, line)
  await books.run(`update shop_orders set total = $2 where id = $1`, id, total)
  return total
}

async function take(books: Transaction, id: string, { product, quantity }: Line): Promise<number> {
  const [goods] = await books.rows<{ name: string; price: number }>(
    `update shop_products set stock = stock - $2 where id = $1 and stock >= $2 returning name, price`,
    product,
    quantity,
  )
  if (goods === undefined) throw new Refusal(409, `Product ${product} is sold out.`)
  await books.run(
    `insert into shop_items (order_id, product, quantity, price) values ($1, $2, $3, $4)`,
    id,
    product,
    quantity,
    goods.price,
  )
  return goods.price * quantity
}

/**
 * Check what came over the wire.
 * @throws {Refusal}
 */
export function readOrder(value: unknown): Order {
  const { id, card, lines }: { [Key in keyof Order]?: unknown } = Object(value)
  if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id)) throw unreadable('id')
  if (!cards.includes(card as Card)) throw unreadable('card')
  if (!Array.isArray(lines) || lines.length === 0 || !lines.every(isLine)) throw unreadable('lines')
  if (new Set(lines.map(({ product }) => product)).size < lines.length) throw unreadable('lines')
  // Everybody takes the products in the same order: orders that wait for each other's rows would wait for ever.
  return { id, card: card as Card, lines: lines.toSorted((a, b) => a.product - b.product) }
}

function isLine(value: unknown): value is Line {
  const { product, quantity }: { [Key in keyof Line]?: unknown } = Object(value)
  return isWhole(product) && isWhole(quantity) && quantity >= 1 && quantity <= 1_000
}

function isWhole(value: unknown): value is number {
  return Number.isInteger(value)
}

function unreadable(field: keyof Order): Refusal {
  return new Refusal(400, `The order's "${field}" cannot be read.`)
}

/** @throws {Refusal} */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Refusal(400, 'This is no JSON.')
  }
}
