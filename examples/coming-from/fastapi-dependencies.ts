/** docs/from-fastapi.md: dependencies with `yield`, of each other, cached and not. */
// #region yield
import { createApp, inject, resource } from 'unwind'

class Session {
  static made = 0
  readonly id: number = (Session.made += 1)
  end(verb: string): void {
    console.log(`session ${this.id}: ${verb}`)
  }
}

const session = resource(
  async function* session() {
    const opened = new Session()
    try {
      yield opened
      opened.end('commit') // reached on success alone
    } catch (error) {
      opened.end('rollback')
      throw error
    } finally {
      opened.end('close')
    }
  },
  { name: 'session' },
)
// #endregion

// #region sub
const orders = resource({
  name: 'orders',
  acquire: async ({ get }) => ({ of: await get(session) }), // released before the session
  release: () => console.log('orders: released'),
})
// #endregion

// #region cache
const fresh = resource({
  name: 'fresh session',
  lifetime: 'transient', // use_cache=False: a new one for each get, all released with the scope
  acquire: () => new Session(),
  release: (it) => it.end('close'),
})
// #endregion

// #region route
const app = createApp()
await app.run(async (request) => {
  const { of } = await request.get(orders)
  console.log('the same session:', of === (await inject(session)))
  console.log('another one:', (await inject(fresh)) !== (await inject(fresh)))
})
// #endregion
const failing = app.run(async (request) => {
  await request.get(session)
  throw new Error('out of stock')
})
await failing.catch((error: unknown) => console.log(String(error)))
