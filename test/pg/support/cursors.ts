/** What is read of cursors, and how many the server has. */
import type { PgLease, PgTransaction } from 'unwind/pg'

export const million = 'select n from generate_series(1, 1000000) as n'

export type Owner = PgLease | PgTransaction

export async function cursorsOf(connection: Owner): Promise<number> {
  const { rows } = await connection.query(
    "select count(*)::int as n from pg_cursors where name like 'unwind%'",
  )
  return rows[0].n
}

export async function take<Row>(cursor: AsyncIterable<Row>, count: number): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of cursor) {
    rows.push(row)
    if (rows.length === count) break
  }
  return rows
}
