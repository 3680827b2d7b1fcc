/**
 * The same as sqlite-transaction, over `node:sqlite`, which has no transactions of its own.
 * Baseline: begin, insert and commit by hand, prepared once.
 */
import { DatabaseSync } from 'node:sqlite'
import { sqlite } from 'unwind/node-sqlite'
import type { Suite } from '../harness.ts'
import { byHand, Folder, schema, settings, transactions } from '../support/sqlite.ts'

export function open(): Suite {
  const folder = new Folder()
  const raw = new DatabaseSync(folder.path('raw.db'))
  raw.exec(`${settings}; ${schema}`)
  folder.defer(() => raw.close())
  let files = 0
  const openOurs = (): ReturnType<typeof sqlite> => {
    const db = sqlite(folder.path(`ours${(files += 1)}.db`))
    db.exec(schema)
    folder.defer(() => db[Symbol.dispose]())
    return db
  }
  return {
    question:
      'What does a transaction with one insert cost over node:sqlite, from begin to commit?',
    baseline: byHand('node:sqlite, by hand', raw, () => raw.isTransaction),
    cases: transactions(openOurs),
    [Symbol.asyncDispose]: async () => folder[Symbol.dispose](),
  }
}
