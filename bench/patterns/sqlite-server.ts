/**
 * What does a scope and a transaction for each request cost a server that takes orders into an SQLite file?
 * Baseline: the same by hand; the same once more shows the noise. `node bench/patterns/sqlite-server.ts [BLOCKS] [SLICE]`,
 * after `npm run build`. Each way has a process of its own (servers/apart.ts).
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would time each other
import assert from 'node:assert/strict'
import { parseArgs } from 'node:util'
import BetterSqlite3 from 'better-sqlite3'
import { describeMachine, machine } from '../report.ts'
import { measureApart, tell } from '../servers/apart.ts'
import { measure, type Price, type Variant } from '../servers/slices.ts'
import { Folder, settings } from '../support/sqlite.ts'
import { ways } from '../support/sqlite-server.ts'

/** A way, its file, and how many orders it was sent. */
interface Shop {
  readonly variant: Variant
  readonly path: string
  orders: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' } },
})
const [blocks = 100, slice = 50] = positionals.map(Number)
const stock = 1_000_000_000
const names = Object.keys(ways)

if (values.only === undefined) {
  const prices = await measureApart(import.meta.filename, positionals, names)
  console.log(describeMachine(machine(process.execPath)))
  print(prices)
} else {
  const folder = new Folder()
  try {
    await time(folder, values.only)
  } finally {
    folder[Symbol.dispose]()
  }
}

async function time(folder: Folder, only: string): Promise<void> {
  const shops: Shop[] = []
  for (const name of new Set([...names.slice(0, 1), only])) shops.push(await open(folder, name))
  const prices = await measure(
    shops.map(({ variant }) => variant),
    { blocks, slice },
    false,
  )
  for (const shop of shops) check(shop)
  tell(prices)
}

async function open(folder: Folder, name: string): Promise<Shop> {
  const path = folder.path(`${names.indexOf(name)}.db`)
  const db = new BetterSqlite3(path)
  db.exec(`${settings};
    create table stock (item text primary key, left integer not null);
    create table orders (id integer primary key, item text not null);
    insert into stock values ('lamp', ${stock})`)
  db.close()
  const listen = await ways[name]?.(path)
  const shop: Shop = {
    path,
    orders: 0,
    variant: {
      name,
      serve: (request, response) => {
        shop.orders += 1
        return listen?.(request, response)
      },
    },
  }
  return shop
}

/** Every request is an order in the file, and nothing else is. */
function check({ variant, path, orders }: Shop): void {
  const db = new BetterSqlite3(path)
  const sold = db.prepare('select count(*) from orders').pluck().get() as number
  const left = db.prepare('select left from stock').pluck().get() as number
  db.close()
  assert.deepEqual([sold, stock - left], [orders, orders], variant.name)
}

function print(prices: readonly Price[]): void {
  line('', 'req/s', 'ratio', '', 'CPU µs', 'ratio', '')
  for (const { name, microseconds, rate, ...cpu } of prices) {
    line(name, rate.perSecond.toFixed(0), ...spread(rate), microseconds.toFixed(1), ...spread(cpu))
  }
}

function spread({ ratio, quartiles: [low, high] }: Pick<Price, 'ratio' | 'quartiles'>): string[] {
  return [ratio.toFixed(3), `(${low.toFixed(2)}–${high.toFixed(2)})`]
}

function line(way: string, ...cells: string[]): void {
  console.log(way.padEnd(45), ...cells.map((cell, at) => cell.padStart(at % 3 === 2 ? 13 : 7)))
}
