/** docs/observability.md: what a test says about what it left behind. */
// #region fake
import assert from 'node:assert/strict'
import { createApp, override, resource, type Scope } from 'unwind'
import { assertNoLeaks, fakeResource } from 'unwind/testing'

interface Client {
  count(): Promise<number>
}
const client = resource<Client>({
  name: 'client',
  acquire: async () => {
    throw new Error('There is no server here.')
  },
})
async function countOrders(request: Scope): Promise<number> {
  const orders = await request.get(client)
  return await orders.count()
}

const fake = fakeResource<Client>({ count: async () => 3 }, { name: 'fake client' })
await using app = createApp({ overrides: [override(client, fake)] })
assert.equal(await app.run(countOrders), 3)
assert.deepEqual(fake.exits, ['success'])
// #endregion

// #region check
await assertNoLeaks(() => app.run(countOrders))

await assertNoLeaks(async () => {
  const request = app.child({ name: 'forgotten' })
  await countOrders(request)
}).catch((error: unknown) => console.log(String(error).split(', acquired')[0]))
// #endregion
