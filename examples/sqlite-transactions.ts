/** Two kinds of transaction in SQLite: one that ends in its tick, and one that may wait. */
import { sqlite } from 'unwind/better-sqlite3'

using db = sqlite(':memory:')
db.exec('create table account (name text primary key, balance integer not null)')
db.exec("insert into account values ('Ada', 100), ('Bob', 0)")

/** Nothing is awaited, so nobody else can come in between. */
function transfer(from: string, to: string, amount: number): void {
  using tx = db.begin()
  const change = tx.prepare('update account set balance = balance + ? where name = ?')
  change.run(-amount, from)
  change.run(amount, to)
  const { balance } = tx
    .prepare<{ balance: number }>('select balance from account where name = ?')
    .get(from) ?? { balance: 0 }
  if (balance < 0) throw new Error(`${from} has not enough.`)
  tx.commit() // left without it, the block is rolled back
}

/** Something is awaited: this one waits its turn, and the others wait for it. */
async function payOut(name: string): Promise<void> {
  await using tx = await db.write()
  const found = tx
    .prepare<{ balance: number }>('select balance from account where name = ?')
    .get(name)
  await askTheBank(found?.balance ?? 0)
  tx.prepare('update account set balance = 0 where name = ?').run(name)
  tx.commit()
}

async function askTheBank(amount: number): Promise<void> {
  console.log(`The bank pays ${amount}.`)
  await Promise.resolve()
}

transfer('Ada', 'Bob', 30)
try {
  transfer('Ada', 'Bob', 300)
} catch (error) {
  console.log(String(error))
}
await Promise.all([payOut('Bob'), payOut('Ada')])
console.log(db.prepare('select name, balance from account').all())

/** A mistake that the driver alone would not notice: everybody's statements would join this transaction. */
async function forgetful(): Promise<void> {
  using tx = db.begin()
  await Promise.resolve()
  tx.commit()
}
await forgetful().catch((error: unknown) => console.log((error as { code: string }).code))
