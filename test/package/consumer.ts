/** A program with the types of its driver: no cast, and no type argument where one can be inferred. */
import { Pool, type PoolClient } from 'pg'
import { createApp, input, override, resource, value, type Scope } from 'unwind'
import { pgPool, pgResources, type PgTransaction } from 'unwind/pg'

const db = pgResources(() => new Pool({ max: 2 }), { transaction: { isolation: 'serializable' } })
const tenant = input<string>('tenant')
const orders = resource({
  name: 'orders',
  async acquire({ get }) {
    const tx: PgTransaction = await get(db.transaction)
    const name: string = await get(tenant)
    return {
      count: async (): Promise<number> => (await tx.query<{ n: number }>('', [name])).rows.length,
    }
  },
})

export const app = createApp({ overrides: [override(tenant, value('acme'))] })

export async function count(scope: Scope): Promise<number> {
  await using pool = pgPool(() => new Pool())
  const client: PoolClient = await pool.driver.connect()
  client.release()
  // @ts-expect-error -- what a scope lends is not for others to dispose
  await using _borrowed = await scope.get(db.transaction)
  // @ts-expect-error -- a replacement has the type of what it replaces
  override(tenant, value(1))
  return await (await scope.get(orders)).count()
}
