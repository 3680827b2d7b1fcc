/** docs/guide.md: open and close anything, with and without a scope. */
// #region block
import { mkdtempSync, rmSync } from 'node:fs'
import { createApp, hold, inject, resource } from 'unwind'

// Stands for the client of a cache.
const connectCache = async () => ({
  get: async (key: string) => `the ${key}`,
  quit: async () => console.log('cache: quit'),
})

async function once(): Promise<string> {
  await using cache = hold(await connectCache(), (it) => it.quit(), { name: 'cache' })
  return await cache.value.get('price')
} // quits here, also after an error; a later `cache.value` is a DisposedError

console.log('once:', await once())
// #endregion

// #region resource
const cache = resource({
  name: 'cache',
  lifetime: 'app', // one for the whole program; the default is one for each request
  acquire: connectCache,
  release: (it) => it.quit(),
})

const folder = resource(
  async function* workspace() {
    const path = mkdtempSync('/tmp/job-')
    try {
      yield path // acquired above, released below, whatever happened
    } finally {
      rmSync(path, { recursive: true })
      console.log('folder: removed')
    }
  },
  { name: 'folder' },
)

const app = createApp()
await app.run(async (scope) => {
  scope.defer(({ status }) => console.log('deferred:', status)) // a bare callback
  const timer = setInterval(() => {}, 1_000)
  scope.adopt(timer, clearInterval) // a value and its release
  await scope.get(folder) // acquired once, for all who ask in this request
  console.log('in the scope:', await price())
})
await app.close()

async function price(): Promise<string> {
  return (await inject(cache)).get('price') // finds its request by itself
}
// #endregion
