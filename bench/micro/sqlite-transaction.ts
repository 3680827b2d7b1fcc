/**
 * What does a transaction with one insert cost on a file (WAL, synchronous = NORMAL)?
 * Baseline: better-sqlite3's own `db.transaction(fn).immediate`, around a statement that was prepared once.
 */
import assert from 'node:assert/strict'
import BetterSqlite3 from 'better-sqlite3'
import { sqlite } from 'unwind/better-sqlite3'
import type { Case, Suite } from '../harness.ts'
import { byHand, Folder, insert, schema, settings, transactions } from '../support/sqlite.ts'

export function open(): Suite {
  const folder = new Folder()
  let files = 0
  const openRaw = (): BetterSqlite3.Database => {
    const raw = new BetterSqlite3(folder.path(`raw${(files += 1)}.db`))
    raw.exec(`${settings}; ${schema}`)
    folder.defer(() => raw.close())
    return raw
  }
  const openOurs = (): ReturnType<typeof sqlite> => {
    const db = sqlite(folder.path(`ours${(files += 1)}.db`))
    db.exec(schema)
    folder.defer(() => db[Symbol.dispose]())
    return db
  }
  const raw = openRaw()
  return {
    question: 'What does a transaction with one insert cost, from begin to commit?',
    baseline: byTransaction(openRaw()),
    cases: [
      byHand('better-sqlite3, by hand', raw, () => raw.inTransaction),
      ...transactions(openOurs),
    ],
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  }
}

function byTransaction(db: BetterSqlite3.Database): Case {
  const statement = db.prepare(insert)
  const transaction = db.transaction((name: string, price: number) => statement.run(name, price))
  return {
    name: 'better-sqlite3, db.transaction(fn).immediate',
    sync: true,
    operation: () => transaction.immediate('lamp', 9.5),
    check: (result) => assert.equal((result as { changes: number }).changes, 1),
  }
}
