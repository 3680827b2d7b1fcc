/** Reading while others write, with the driver of Node.js: readers, an iterator that is left early, a live backup. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqlite, type SqliteDatabase } from 'unwind/node-sqlite'

interface Reading {
  readonly at: number
  readonly value: number
}

const folder = mkdtempSync(join(tmpdir(), 'readings-'))
{
  await using db = sqlite(join(folder, 'readings.db'), { readers: 1 })
  db.exec('create table reading (at integer primary key, value real not null)')
  db.transaction((tx) => {
    const add = tx.prepare('insert into reading (value) values (?)')
    for (let n = 1; n <= 1_000; n += 1) add.run(n / 10)
  })

  console.log('first over 50:', await firstOver(db, 50))

  // A copy of this moment, although somebody writes meanwhile.
  const copying = db.backup(join(folder, 'copy.db'))
  db.prepare('insert into reading (value) values (?)').run(1_000)
  await copying
  using copy = sqlite(join(folder, 'copy.db'))
  console.log('in the copy:', count(copy), 'in the original:', count(db))
}
rmSync(folder, { recursive: true })

async function firstOver(db: SqliteDatabase, limit: number): Promise<number | undefined> {
  await using reader = await db.read()
  const rows = reader.prepare<Reading>('select at, value from reading order by at').iterate()
  for (const { at, value } of rows) {
    db.prepare('update reading set value = value where at = ?').run(at) // nobody waits for the reader
    if (value > limit) return at // the iterator is closed here, and the reader given back
  }
  return undefined
}

function count(db: SqliteDatabase): number | undefined {
  return db.prepare<{ readings: number }>('select count(*) as readings from reading').get()
    ?.readings
}
