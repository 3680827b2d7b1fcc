/** The first screen of the README: a request that is kept, one that is not, and what comes too late. */
// #region quick
import { createApp } from 'unwind'
import { sqliteResources } from 'unwind/better-sqlite3'

const { database, transaction } = sqliteResources(':memory:')
await using app = createApp()
const db = await app.get(database)
db.exec('create table orders (item text)')

const order = (item: string) =>
  app.run(async (request) => {
    request.defer(({ status }) => console.log(`${item}: ${status}`)) // first in, last out
    const tx = await request.get(transaction) // begins here, once for the whole request
    tx.prepare('insert into orders values (?)').run(item)
    if (item === 'unicorn') throw new Error('There are no unicorns.')
    return tx
  }) // commits or rolls back, then calls the deferred function, then settles

const tx = await order('lamp')
await order('unicorn').catch((error: unknown) => console.log(String(error)))
console.log(db.prepare('select item from orders').all())
try {
  tx.exec('delete from orders')
} catch (error) {
  console.log(String(error))
}
// #endregion
