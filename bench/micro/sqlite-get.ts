/**
 * What does reading one row through a handle cost?
 * Baseline: `statement.get` of better-sqlite3, prepared once.
 */
import assert from 'node:assert/strict'
import BetterSqlite3 from 'better-sqlite3'
import { sqlite } from 'unwind/better-sqlite3'
import type { Case, Suite } from '../harness.ts'
import { schema } from '../support/sqlite.ts'

const select = 'select id, name, price from item where id = ?'

export async function open(): Promise<Suite> {
  const raw = new BetterSqlite3(':memory:')
  raw.exec(schema)
  const add = raw.prepare('insert into item (name, price) values (?, ?)')
  for (let n = 1; n <= 1_000; n += 1) add.run(`item ${n}`, n / 4)
  const db = sqlite(raw)
  const baseline = raw.prepare(select)
  const statement = db.prepare(select)
  const reader = await db.read()
  const ofReader = reader.prepare(select)
  return {
    question: 'What does reading one row through a handle cost?',
    baseline: reading('better-sqlite3: statement.get', () => baseline.get(500)),
    cases: [
      reading('statement.get of the database', () => statement.get(500)),
      reading('statement.get of a reader', () => ofReader.get(500)),
      reading('db.prepare(sql).get', () => db.prepare(select).get(500)),
      reading('raw.prepare(sql).get', () => raw.prepare(select).get(500)),
    ],
    [Symbol.asyncDispose]: async () => {
      db[Symbol.dispose]()
      raw.close()
    },
  }
}

function reading(name: string, operation: () => unknown): Case {
  return {
    name,
    sync: true,
    operation,
    check: (row) => assert.deepEqual({ ...(row as object) }, { id: 500, name: 'item 500', price: 125 }),
  }
}
