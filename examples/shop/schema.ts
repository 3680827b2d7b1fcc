/** The tables, and what stands on the shelves: in SQL that SQLite and PostgreSQL both understand. */
import type { Transaction } from './store.ts'

/** Names, and prices in cents. */
const goods = [
  ['Coffee', 890],
  ['Tea', 640],
  ['Cocoa', 720],
  ['Honey', 550],
  ['Jam', 430],
  ['Bread', 380],
  ['Cheese', 1_290],
  ['Olives', 490],
  ['Pasta', 210],
  ['Rice', 260],
  ['Salt', 120],
  ['Pepper', 340],
] as const

/** Products are numbered from 1 to this. */
export const products: number = goods.length

const tables = [
  `create table if not exists shop_products (
     id integer primary key,
     name text not null,
     price integer not null,
     stock integer not null check (stock >= 0))`,
  `create table if not exists shop_deliveries (
     id text not null,
     product integer not null references shop_products (id),
     quantity integer not null,
     primary key (id, product))`,
  `create table if not exists shop_orders (
     id text primary key,
     card text not null,
     total integer not null)`,
  `create table if not exists shop_items (
     order_id text not null references shop_orders (id),
     product integer not null references shop_products (id),
     quantity integer not null,
     price integer not null,
     primary key (order_id, product))`,
]

export async function createTables(books: Transaction): Promise<void> {
  for (const table of tables) await books.run(table)
  for (const [i, [name, price]] of goods.entries()) {
    await books.run(
      `insert into shop_products (id, name, price, stock) values ($1, $2, $3, 0)
       on conflict (id) do nothing`,
      i + 1,
      name,
      price,
    )
  }
}

/** Fill the shelves up to `level` of each product. What is delivered is written down: the audit adds it up. */
export async function deliver(books: Transaction, id: string, level: number): Promise<void> {
  const shelves = await books.rows<{ id: number; stock: number }>(
    `select id, stock from shop_products where stock < $1 order by id`,
    level,
  )
  for (const shelf of shelves) {
    const missing = level - shelf.stock
    await books.run(
      `insert into shop_deliveries (id, product, quantity) values ($1, $2, $3)`,
      id,
      shelf.id,
      missing,
    )
    await books.run(`update shop_products set stock = stock + $2 where id = $1`, shelf.id, missing)
  }
}
