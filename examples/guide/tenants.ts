/** docs/guide.md: each request sees the rows of its tenant alone. Wants a `DATABASE_URL`. */
import { Pool } from 'pg'
import { createApp, inject, input, resource } from 'unwind'
import { pgPool, pgResources } from 'unwind/pg'

const url = new URL(process.env['DATABASE_URL'] ?? '')
const role = `guide_${process.pid}`
await using owner = pgPool(() => new Pool({ connectionString: url.href, max: 1 }))
await owner.query('drop table if exists invoice')
await owner.query(`create role ${role} login password 'guide'`)
// #region schema
await owner.query(`
  create table invoice (tenant text default current_setting('app.tenant'), amount int);
  alter table invoice enable row level security;
  create policy own_rows on invoice using (tenant = current_setting('app.tenant'))`)
// #endregion
await owner.query(`grant select, insert on invoice to ${role}`)
const config = { host: url.hostname, port: Number(url.port), database: url.pathname.slice(1) }
// #region tenant
// The service's role owns no table and has no BYPASSRLS: the server checks every row.
const db = pgResources(() => new Pool({ ...config, user: role, password: 'guide', max: 2 }))

const tenant = input<string>('tenant')
const tenantTransaction = resource({
  name: 'tenant transaction',
  async acquire({ get }) {
    const [tx, name] = [await get(db.transaction), await get(tenant)]
    await tx.query("select set_config('app.tenant', $1, true)", [name]) // to the end of `tx`
    return tx // lent by the request, which ends it
  },
})

const app = createApp()
function asTenant<R>(name: string, work: () => Promise<R>): Promise<R> {
  return app.run((request) => {
    request.provide(tenant, name) // from the verified token of the request
    return work()
  })
}

async function bill(amount: number): Promise<void> {
  const tx = await inject(tenantTransaction)
  await tx.query('insert into invoice (amount) values ($1)', [amount])
}
async function invoices(): Promise<unknown[]> {
  const tx = await inject(tenantTransaction)
  return (await tx.query('select tenant, amount from invoice')).rows
}
// #endregion
await Promise.all([asTenant('acme', () => bill(100)), asTenant('globex', () => bill(7))])
console.log(await asTenant('acme', invoices))
console.log(await asTenant('globex', invoices))
await app.run(invoices).catch((error: unknown) => console.log((error as { code: string }).code))
await app.close()
await owner.query(`drop table invoice; drop role ${role}`)
