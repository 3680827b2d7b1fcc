/**
 * What does reading one row through a handle cost?
 * Baseline: `get` of a statement of better-sqlite3, prepared once.
 */
import BetterSqlite3 from 'better-sqlite3'
import { sqlite } from 'unwind/better-sqlite3'
import type { Suite } from '../harness.ts'
import { fill, reading, select } from '../support/sqlite.ts'

export async function open(): Promise<Suite> {
  const raw = new BetterSqlite3(':memory:')
  fill(raw)
  const baseline = raw.prepare(select)
  const db = sqlite(raw)
  const ofDatabase = db.prepare(select)
  const reader = await db.read()
  const ofReader = reader.prepare(select)
  return {
    question: 'What does reading one row through a handle cost?',
    baseline: reading('better-sqlite3, statement.get', () => baseline.get(500)),
    cases: [
      reading('statement.get', () => ofDatabase.get(500)),
      reading('statement.get of a reader', () => ofReader.get(500)),
      reading('db.prepare(sql).get', () => db.prepare(select).get(500)),
      reading('better-sqlite3, db.prepare(sql).get', () => raw.prepare(select).get(500)),
    ],
    [Symbol.asyncDispose]: async () => {
      db[Symbol.dispose]()
      raw.close()
    },
  }
}
