/**
 * The same as sqlite-get, over `node:sqlite`.
 * Baseline: `get` of a statement of the driver, prepared once.
 */
import { DatabaseSync } from 'node:sqlite'
import { sqlite } from 'unwind/node-sqlite'
import type { Suite } from '../harness.ts'
import { fill, reading, select } from '../support/sqlite.ts'

export async function open(): Promise<Suite> {
  const raw = new DatabaseSync(':memory:')
  fill(raw)
  const baseline = raw.prepare(select)
  const star = 'select * from item where id = ?'
  const db = sqlite(raw)
  const ofDatabase = db.prepare(select)
  const ofStar = db.prepare(star)
  const reader = await db.read()
  const ofReader = reader.prepare(select)
  return {
    question: 'What does reading one row through a handle over node:sqlite cost?',
    baseline: reading('node:sqlite, statement.get', () => baseline.get(500)),
    cases: [
      reading('statement.get', () => ofDatabase.get(500)),
      reading('statement.get of a reader', () => ofReader.get(500)),
      reading('db.prepare(sql).get', () => db.prepare(select).get(500)),
      reading('statement.get of a select *', () => ofStar.get(500)),
    ],
    [Symbol.asyncDispose]: async () => {
      db[Symbol.dispose]()
      raw.close()
    },
  }
}
