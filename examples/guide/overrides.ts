/** docs/guide.md: tests that replace what they cannot have. */
// #region tested
import assert from 'node:assert/strict'
import { createApp, inject, input, override, resource, value, type App } from 'unwind'
import { fakeResource } from 'unwind/testing'

interface Payments {
  charge(cents: number): Promise<string>
}
const user = input<{ name: string }>('user')
const payments = resource<Payments>({
  name: 'payments',
  lifetime: 'app',
  acquire: () => Promise.reject(new Error('There is no bank here.')),
})

async function buy(cents: number): Promise<string> {
  const { name } = await inject(user)
  return `${name}: ${await (await inject(payments)).charge(cents)}`
}
function asAda(app: App, cents: number): Promise<string> {
  return app.run((request) => {
    request.provide(user, { name: 'Ada' })
    return buy(cents)
  })
}
// #endregion

// #region override
// An app for each test: tests that run at the same time do not see each other's fakes.
const fake = fakeResource<Payments>({ charge: async (cents) => `paid ${cents}` })
{
  await using app = createApp({ overrides: [override(payments, fake)] })
  assert.equal(await asAda(app, 250), 'Ada: paid 250')
}
assert.equal(fake.acquired, 1)
assert.deepEqual(fake.exits, ['success'])

// For a part of a test: the real thing, then another one, then the real thing again.
await using app = createApp()
{
  using _broke = app.override(payments, value({ charge: () => Promise.reject(new Error('broke')) }))
  await assert.rejects(asAda(app, 250), /broke/)
}
await assert.rejects(asAda(app, 250), /There is no bank here/)
// #endregion
console.log('ok')
