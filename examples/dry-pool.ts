/** docs/observability.md: a handler that keeps its connection, and how it is found. Wants a `DATABASE_URL`. */
// #region leaky
import { Pool } from 'pg'
import { createApp, detectLeaks } from 'unwind'
import { pgPool } from 'unwind/pg'

const config = { connectionString: process.env['DATABASE_URL'], max: 2 }
const app = createApp()
const pool = app.use(pgPool(() => new Pool(config), { grace: 100 })) // ms for what leaked, at the end

async function report(): Promise<void> {
  const lease = await pool.acquire() // nobody disposes it
  await lease.query('select 1')
}
// #endregion

// #region find
app.use(
  detectLeaks({
    level: 'full', // or UNWIND_LEAKS=full, without a line of code
    onLeak({ resource, scope, site }) {
      const [place = ''] = site.split('\n')
      console.log(`${resource}, acquired in ${scope} ${place.split(' (')[0]}`)
    },
  }),
)
// #endregion

// #region whole
async function wholeReport(): Promise<void> {
  await using lease = await pool.acquire()
  await lease.query('select 1')
}
// #endregion

for (let i = 0; i < 3; i += 1) await app.run({ name: 'GET /whole' }, wholeReport)
console.log(pool.stats())
for (let i = 0; i < 2; i += 1) await app.run({ name: 'GET /report' }, report)
console.log(pool.stats())
await app.close()
