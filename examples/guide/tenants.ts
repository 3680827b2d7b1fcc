/** docs/guide.md: each request sees the rows of its tenant alone. Wants a `DATABASE_URL`. */
// #region schema
import { Pool } from 'pg'
import { createApp, inject, input, resource } from 'unwind'
import { pgPool, pgResources } from 'unwind/pg'

const url = new URL(process.env['DATABASE_URL'] ?? '') // whose user owns the tables
const owner = pgPool(() => new Pool({ connectionString: url.href, max: 1 }))
const role = `guide_${process.pid}` // the service's: owns no table, has no BYPASSRLS
await owner.query(`
  drop table if exists invoice; create role ${role} login password 'guide';
  create table invoice (amount int, tenant text not null
    default nullif(current_setting('app.tenant', true), ''));
  grant select, insert on invoice to ${role};
  alter table invoice enable row level security;
  create policy own_rows on invoice
    using (tenant = nullif(current_setting('app.tenant', true), ''))`)
// #endregion
// #region tenant
const ours = Object.assign(new URL(url), { username: role, password: 'guide' })
const db = pgResources(() => new Pool({ connectionString: ours.href, max: 2 }))

const tenant = input<string>('tenant')
const tenantTransaction = resource({
  name: 'tenant transaction',
  async acquire({ get }) {
    const name = await get(tenant) // first: without one, no connection is taken
    const tx = await get(db.transaction)
    await tx.query("select set_config('app.tenant', $1, true)", [name]) // to the end of `tx`
    return tx // lent by the request, which ends it
  },
})

const app = createApp()
const asTenant = <R>(name: string, work: () => Promise<R>): Promise<R> =>
  app.run((request) => {
    request.provide(tenant, name) // from the verified token of the request
    return work()
  })

async function bill(amount: number): Promise<void> {
  const tx = await inject(tenantTransaction)
  await tx.query('insert into invoice (amount) values ($1)', [amount])
}
async function invoices(): Promise<unknown[]> {
  const tx = await inject(tenantTransaction)
  return (await tx.query('select tenant, amount from invoice')).rows
}
await Promise.all([asTenant('acme', () => bill(100)), asTenant('globex', () => bill(7))])
for (const name of ['acme', 'globex']) console.log(await asTenant(name, invoices))
console.log(await app.run(invoices).catch(String)) // nobody said for whom
const forgetful = app.run(async () => {
  const tx = await inject(db.transaction) // should be `tenantTransaction`
  console.log((await tx.query('select tenant, amount from invoice')).rows)
  await tx.query('insert into invoice (amount) values (1)')
})
await forgetful.catch((error: unknown) => console.log(String(error)))
// #endregion
await app.close().then(() => owner.query(`drop table invoice; drop role ${role}`))
await owner[Symbol.asyncDispose]()
