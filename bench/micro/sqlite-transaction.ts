/**
 * What does a transaction with one insert cost on a file (WAL, synchronous = NORMAL)?
 * Baseline: better-sqlite3's own `db.transaction(fn).immediate`, around a statement that was prepared once.
 */
import assert from 'node:assert/strict'
import BetterSqlite3 from 'better-sqlite3'
import { sqlite } from 'unwind/better-sqlite3'
import type { Case, Suite } from '../harness.ts'
import { schema, settings, temporaryFolder } from '../support/sqlite.ts'

const insert = 'insert into item (name, price) values (?, ?)'

export function open(): Suite {
  const folder = temporaryFolder()
  const opened: Disposable[] = [folder]
  const raw = (name: string): BetterSqlite3.Database => {
    const database = new BetterSqlite3(folder.path(name))
    database.exec(`${settings}; ${schema}`)
    opened.push({ [Symbol.dispose]: () => void database.close() })
    return database
  }
  const ours = (name: string): ReturnType<typeof sqlite> => {
    const database = sqlite(folder.path(name))
    database.exec(schema)
    opened.push(database)
    return database
  }
  return {
    question: 'What does a transaction with one insert cost, begin to commit?',
    baseline: byTransaction(raw('baseline.db')),
    cases: [
      byHand(raw('hand.db')),
      begun(ours('begin.db')),
      begunAndPrepared(ours('prepared.db')),
      enclosed(ours('enclosed.db')),
      awaited(ours('write.db')),
    ],
    [Symbol.asyncDispose]: async () => {
      for (const each of opened.toReversed()) each[Symbol.dispose]()
    },
  }
}

function byTransaction(db: BetterSqlite3.Database): Case {
  const statement = db.prepare(insert)
  const transaction = db.transaction((name: string, price: number) => statement.run(name, price))
  return {
    name: 'better-sqlite3: db.transaction(fn).immediate',
    sync: true,
    operation: () => transaction.immediate('lamp', 9.5),
    check: counts(db),
  }
}

function byHand(db: BetterSqlite3.Database): Case {
  const begin = db.prepare('begin immediate')
  const commit = db.prepare('commit')
  const rollback = db.prepare('rollback')
  const statement = db.prepare(insert)
  return {
    name: 'better-sqlite3: by hand, try/catch',
    sync: true,
    operation: () => {
      begin.run()
      try {
        const result = statement.run('lamp', 9.5)
        commit.run()
        return result
      } catch (error) {
        if (db.inTransaction) rollback.run()
        throw error
      }
    },
    check: counts(db),
  }
}

function begun(db: ReturnType<typeof sqlite>): Case {
  return {
    name: 'begin(), prepare, run, commit',
    sync: true,
    operation: () => {
      const tx = db.begin()
      try {
        const result = tx.prepare(insert).run('lamp', 9.5)
        tx.commit()
        return result
      } finally {
        tx[Symbol.dispose]()
      }
    },
    check: counts(db),
  }
}

function begunAndPrepared(db: ReturnType<typeof sqlite>): Case {
  const begin = (): ReturnType<typeof db.begin> => db.begin()
  return {
    name: 'begin(), exec-free loop of two runs',
    sync: true,
    operation: () => {
      const tx = begin()
      try {
        const result = tx.prepare(insert).run('lamp', 9.5)
        tx.commit()
        return result
      } finally {
        tx[Symbol.dispose]()
      }
    },
    check: counts(db),
  }
}

function enclosed(db: ReturnType<typeof sqlite>): Case {
  const statement = db.prepare(insert)
  const body = (): unknown => statement.run('lamp', 9.5)
  return {
    name: 'transaction(fn)',
    sync: true,
    operation: () => db.transaction(body),
    check: counts(db),
  }
}

function awaited(db: ReturnType<typeof sqlite>): Case {
  return {
    name: 'await write(), prepare, run, commit',
    operation: async () => {
      const tx = await db.write()
      try {
        const result = tx.prepare(insert).run('lamp', 9.5)
        tx.commit()
        return result
      } finally {
        await tx[Symbol.asyncDispose]()
      }
    },
    check: counts(db),
  }
}

/** Each operation adds one row, and the last one is there. */
function counts(db: { prepare(sql: string): { get(): unknown } }): (result: unknown) => void {
  return (result) => {
    const { lastInsertRowid } = result as { lastInsertRowid: number }
    const row = db.prepare('select count(*) as rows, max(id) as last from item').get()
    assert.deepEqual({ ...(row as object) }, { rows: lastInsertRowid, last: lastInsertRowid })
  }
}
