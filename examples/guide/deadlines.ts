/** docs/guide.md: deadlines, inherited and passed on. */
// #region deadline
import { setTimeout as pause } from 'node:timers/promises'
import { createApp, currentScope } from 'unwind'

const app = createApp()

async function price(): Promise<number> {
  const { signal, deadline = Infinity } = currentScope()
  const left = deadline - Date.now() // tell the next service how long it has
  console.log('has less than a second:', left <= 1_000)
  return await pause(60_000, 7, { signal })
}

const answer = await app.run({ name: 'GET /price', timeout: 30_000 }, async (request) => {
  // The earlier of the two counts, so a block never outlives its request.
  const asking = request.run({ name: 'ask the shop', timeout: 50 }, price)
  return await asking.catch((error: unknown) => String((error as Error).cause))
})
console.log(answer)
// #endregion

// #region deaf
let finish = (): void => {}
const deaf = new Promise<void>((resolve) => {
  finish = resolve
})
const outcome = app.run({ name: 'deaf', timeout: 20, abandonAfter: 20 }, () => deaf)
await outcome.catch((error: unknown) => console.log((error as { code: string }).code))
// #endregion
finish()
await app.close()
