/**
 * A process that moves money between accounts for ever, each transfer in two statements with an await between them.
 * `node transfers.ts PATH`: it writes a line after its first commit, and is meant to be killed.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { sqlite } from 'unwind/better-sqlite3'

const [path = ''] = process.argv.slice(2)
const db = sqlite(path, { busyTimeout: 10_000 })

for (let round = 0; ; round += 1) {
  await using tx = await db.write()
  const from = (round % 10) + 1
  tx.prepare('update account set balance = balance - 1 where id = ?').run(from)
  await turn()
  tx.prepare('update account set balance = balance + 1 where id = ?').run((from % 10) + 1)
  tx.prepare('update counter set transfers = transfers + 1').run()
  tx.commit()
  if (round === 0) process.stdout.write('running\n')
}
