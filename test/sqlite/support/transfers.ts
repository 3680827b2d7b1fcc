/**
 * A process that moves money between accounts for ever, each transfer in two statements with an await between them.
 * `node transfers.ts DRIVER PATH`: it writes a line after its first commit, and is meant to be killed.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { SqliteDatabase } from 'unwind/better-sqlite3'
import { drivers } from './drivers.ts'

const [name = '', path = ''] = process.argv.slice(2)
if (path !== '') await transferForEver(name, path)

async function transferForEver(driverName: string, file: string): Promise<never> {
  const driver = drivers.find((one) => one.name === driverName)
  if (driver === undefined) throw new Error(`No driver "${driverName}".`)
  const db = driver.sqlite(file, { busyTimeout: 60_000 })
  for (let round = 0; ; round += 1) {
    await transfer(db, 'child', round)
    if (round === 0) process.stdout.write('running\n')
    await turn()
  }
}

/** One unit from an account to the next one. */
export async function transfer(db: SqliteDatabase, who: string, round: number): Promise<void> {
  await using tx = await db.write()
  const from = (round % 10) + 1
  tx.prepare('update account set balance = balance - 1 where id = ?').run(from)
  await turn()
  tx.prepare('update account set balance = balance + 1 where id = ?').run((from % 10) + 1)
  tx.prepare('update counter set transfers = transfers + 1 where who = ?').run(who)
  tx.commit()
}
