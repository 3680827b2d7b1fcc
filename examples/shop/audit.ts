/**
 * The audit. It believes nobody's memory: whatever was killed, and whenever, the rows have to add up by themselves.
 * Each check is one statement, so it sees one moment of the books, also while others write.
 */
import type { Transaction } from './store.ts'

export interface Check {
  readonly promise: string
  readonly holds: boolean
  readonly evidence: string
}

/** What must be true of the books at any time, after any number of runs. */
export async function auditBooks(books: Transaction): Promise<Check[]> {
  return [await paid(books), await summedUp(books), await stocked(books)]
}

/** What the clients of one run remember: the ids of their orders begin with `run`. */
export interface Memory {
  readonly run: string
  /** Orders whose client was told that they were accepted. */
  readonly answered: ReadonlySet<string>
  /** Orders that failed in the shop, or were given up. */
  readonly failed: ReadonlySet<string>
}

/** What must be true of the orders of one run. */
export async function auditRun(
  books: Transaction,
  { run, answered, failed }: Memory,
): Promise<Check[]> {
  const rows = await books.rows<{ id: string }>(
    `select id from shop_orders where id like $1`,
    `${run}-%`,
  )
  const found = rows.filter(({ id }) => answered.has(id)).length
  const wrong = rows.filter(({ id }) => failed.has(id)).length
  return [
    {
      promise: 'every answered order is in the database',
      holds: found === answered.size,
      evidence: `${number(found)} of ${number(answered.size)}`,
    },
    {
      promise: 'none of the failed and aborted orders is',
      holds: wrong === 0,
      evidence: `${number(wrong)} of ${number(failed.size)}`,
    },
  ]
}

/** A card that never pays marks an order that must not exist: also one of a run that was killed. */
async function paid(books: Transaction): Promise<Check> {
  const [row] = await books.rows<Row<'orders' | 'unpaid'>>(
    `select count(*) as orders,
            count(case when card <> 'accepted' then 1 end) as unpaid
     from shop_orders`,
  )
  return {
    promise: 'every order in the books was paid for',
    holds: Number(row?.unpaid) === 0,
    evidence: `${number(row?.orders)} orders, all runs`,
  }
}

async function summedUp(books: Transaction): Promise<Check> {
  const [row] = await books.rows<Row<'items' | 'wrong'>>(
    `select sum(items) as items,
            count(case when total <> price then 1 end) as wrong
     from (select o.total, count(i.order_id) as items, coalesce(sum(i.quantity * i.price), -1) as price
           from shop_orders o left join shop_items i on i.order_id = o.id
           group by o.id, o.total) as sums`,
  )
  return {
    promise: 'the items of each order add up to its total',
    holds: Number(row?.wrong) === 0,
    evidence: `${number(row?.items)} items`,
  }
}

async function stocked(books: Transaction): Promise<Check> {
  const [row] = await books.rows<Row<'delivered' | 'sold' | 'stock' | 'wrong'>>(
    `select sum(delivered) as delivered, sum(sold) as sold, sum(stock) as stock,
            count(case when delivered - sold <> stock then 1 end) as wrong
     from (select stock,
             (select coalesce(sum(quantity), 0) from shop_deliveries where product = p.id) as delivered,
             (select coalesce(sum(quantity), 0) from shop_items where product = p.id) as sold
           from shop_products p) as shelves`,
  )
  return {
    promise: 'delivered − sold = in stock, for each product',
    holds: Number(row?.wrong) === 0,
    evidence: `${number(row?.delivered)} − ${number(row?.sold)} = ${number(row?.stock)}`,
  }
}

/** What both drivers call a count or a sum; a `bigint` of PostgreSQL comes as text. */
type Row<Names extends string> = Readonly<Record<Names, number | string | null>>

function number(value: number | string | null | undefined): string {
  return Number(value ?? 0).toLocaleString('en')
}
