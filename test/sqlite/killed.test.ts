/** Two processes on one file: thousands of transfers from both, and one of them is killed in the middle, again and again. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { SqliteDatabase } from 'unwind/better-sqlite3'
import { filesOf, openAt, temporaryPath } from './support/database.ts'
import { driverOf, test } from './support/drivers.ts'
import { within } from './support/promises.ts'
import { transfer } from './support/transfers.ts'

const rounds = 5
const perRound = 500
/** What each process does at least in a round. */
const atLeast = 20

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
const script = fileURLToPath(new URL(`support/transfers${extension}`, import.meta.url))

test('a process that is killed in the middle of its transactions leaves whole ones only, and the other goes on', async (t) => {
  const path = temporaryPath(t, 'bank.db')
  await using db = openAt(t, path, { busyTimeout: 60_000 })
  db.exec(`
    create table account (id integer primary key, balance integer not null);
    create table counter (who text primary key, transfers integer not null);
    insert into counter values ('parent', 0), ('child', 0);
    insert into account select value, 100 from json_each('[1,2,3,4,5,6,7,8,9,10]');
  `)
  for (let round = 0; round < rounds; round += 1) {
    const before = transfers(db)
    await killInTheMiddle(driverOf(t).name, path, db)
    const after = transfers(db)
    assert.ok(after.child - before.child >= atLeast, 'the child has transferred')
    assert.ok(after.parent - before.parent >= atLeast, 'this process has transferred')
    assert.equal(sum(db), 1_000)
  }
  const { parent, child } = transfers(db)
  assert.ok(parent + child >= rounds * perRound)
  await using tx = await within(db.write())
  tx.commit()
  await db[Symbol.asyncDispose]()
  assert.deepEqual(filesOf(path), ['bank.db'])
})

/** The child is killed while this process is writing too, in whatever it is doing then. */
async function killInTheMiddle(driver: string, path: string, db: SqliteDatabase): Promise<void> {
  const child = spawn(process.execPath, [script, driver, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'close')
  try {
    const before = transfers(db)
    await within(once(child.stdout, 'data'))
    for (let n = 0; !isEnough(before, transfers(db)); n += 1)
      await within(transfer(db, 'parent', n))
  } finally {
    child.kill('SIGKILL')
  }
  for (let n = 0; n < atLeast; n += 1) await within(transfer(db, 'parent', n))
  const [code, signal] = (await within(ended)) as [number | null, NodeJS.Signals | null]
  assert.deepEqual([code, signal], [null, 'SIGKILL'])
}

interface Transfers {
  readonly parent: number
  readonly child: number
}

function isEnough(before: Transfers, after: Transfers): boolean {
  const parent = after.parent - before.parent
  const child = after.child - before.child
  return parent >= atLeast && child >= atLeast && parent + child >= perRound
}

function transfers(db: SqliteDatabase): Transfers {
  const counters = db.prepare<{ who: string; transfers: number }>('select * from counter').all()
  const of = (who: string): number => counters.find((row) => row.who === who)?.transfers ?? 0
  return { parent: of('parent'), child: of('child') }
}

function sum(db: SqliteDatabase): number | undefined {
  return db.prepare<{ sum: number }>('select sum(balance) as sum from account').get()?.sum
}
