/** docs/guide.md: the transaction of a driver that this package does not know, for each request. */
// #region resources
import { createApp, inject, resource } from 'unwind'

// Stands for mysql2.
const says =
  (word: string) =>
  async (...values: unknown[]): Promise<void> =>
    console.log(word, ...values)
const [beginTransaction, execute] = [says('begin'), says('execute')]
const [commit, rollback, end] = [says('commit'), says('rollback'), says('end')]
const release = (): void => console.log('release')
const one = { beginTransaction, execute, commit, rollback, release }
const mysql = { createPool: (_uri: string) => ({ getConnection: async () => one, end }) }

const pool = resource({
  name: 'mysql',
  lifetime: 'app',
  acquire: () => mysql.createPool('mysql://localhost/shop'),
  release: (it) => it.end(),
})

const transaction = resource(async function* transaction({ get }) {
  const connection = await (await get(pool)).getConnection()
  try {
    await connection.beginTransaction()
    yield connection // what is not success is thrown here
    await connection.commit()
  } catch (error) {
    await connection.rollback()
    throw error
  } finally {
    connection.release()
  }
})

async function order(item: string): Promise<void> {
  const connection = await inject(transaction) // one for the whole request
  await connection.execute('insert into orders values (?)', [item])
  if (item === 'unicorn') throw new Error('No unicorns.')
}
// #endregion
const app = createApp()
await app.run(() => order('lamp'))
await app.run(() => order('unicorn')).catch((error: unknown) => console.log(String(error)))
await app.close()
