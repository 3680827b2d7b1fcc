/** Two processes on one file, one of them killed in the middle, again and again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sqlite, type SqliteDatabase } from 'unwind/better-sqlite3'
import { filesOf, temporaryPath } from './support/database.ts'
import { within } from './support/promises.ts'

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const script = fileURLToPath(new URL(`support/transfers${extension}`, import.meta.url))

test('a process that is killed in the middle of its transactions leaves whole ones only, and the other goes on', async (t) => {
  const path = temporaryPath(t, 'bank.db')
  using db = sqlite(path, { busyTimeout: 10_000 })
  db.exec(`
    create table account (id integer primary key, balance integer not null);
    create table counter (transfers integer not null);
    insert into counter values (0);
    insert into account select value, 100 from json_each('[1,2,3,4,5,6,7,8,9,10]');
  `)
  let before = 0
  for (let round = 0; round < 5; round += 1) {
    await killInTheMiddle(path, db)
    const after = transfers(db)
    assert.ok(after - before > 100, 'both processes have transferred')
    assert.equal(sum(db), 1_000)
    before = after
  }
  await using tx = await within(db.write())
  tx.commit()
  db[Symbol.dispose]()
  assert.deepEqual(filesOf(path), ['bank.db'])
})

/** The child is killed while this process is writing too. */
async function killInTheMiddle(path: string, db: SqliteDatabase): Promise<void> {
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  try {
    await within(once(child.stdout, 'data'))
    for (let n = 0; n < 50; n += 1) transfer(db)
  } finally {
    child.kill('SIGKILL')
  }
  for (let n = 0; n < 50; n += 1) transfer(db)
  const [code, signal] = (await within(ended)) as [number | null, NodeJS.Signals | null]
  assert.deepEqual([code, signal], [null, 'SIGKILL'])
}

function transfer(db: SqliteDatabase): void {
  using tx = db.begin()
  tx.prepare('update account set balance = balance - 1 where id = 3').run()
  tx.prepare('update account set balance = balance + 1 where id = 7').run()
  tx.prepare('update counter set transfers = transfers + 1').run()
  tx.commit()
}

function sum(db: SqliteDatabase): number | undefined {
  return db.prepare<{ sum: number }>('select sum(balance) as sum from account').get()?.sum
}

function transfers(db: SqliteDatabase): number {
  return db.prepare<{ transfers: number }>('select transfers from counter').get()?.transfers ?? 0
}
