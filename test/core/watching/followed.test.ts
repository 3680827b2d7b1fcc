/** What is watched is followed until it is released or turns out to need no release; then it costs nothing any more. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { script } from '../support/script.ts'

/** Ways for an acquisition to end, with `lease` resources that come a turn later. */
const ways: Readonly<Record<string, string>> = {
  'is released': 'app.run((scope) => scope.get(lease({ release() {} })))',
  'owes no release': 'app.run((scope) => scope.get(lease({})))',
  fails: 'app.run((scope) => scope.get(resource({ acquire() { throw 1 } })))',
  'comes after its scope was aborted': `app.run(async (scope) => {
    const asked = scope.get(lease({}))
    scope.abort()
    await asked
  })`,
  'comes after its scope was aborted, and is released': `app.run(async (scope) => {
    const asked = scope.get(lease({ release() {} }))
    scope.abort()
    await asked
  })`,
  'comes while its scope closes':
    'app.run(async (scope) => { scope.get(lease({})).catch(() => {}) })',
  'is refused': 'app.run((scope) => scope.get(resource({ acquire: () => ({ then() {} }) })))',
}

test('an acquisition that was watched is followed no longer when it has ended, however that was', async () => {
  const source = `
    import { detectLeaks } from 'unwind'
    // Only the time of each release tells it from outside.
    import { detection } from './dist/core/watching/detection.js'
    const lease = (rest) => resource({ acquire: async () => { await turn(); return {} }, ...rest })
    const app = createApp()
    detectLeaks({ level: 'full' })
    const followed = []
    for (const act of [${Object.values(ways)
      .map((way) => `() => ${way}`)
      .join(', ')}]) {
      await act().catch(() => {})
      await turn()
      await turn()
      followed.push(detection.followed)
    }
    console.log(JSON.stringify(followed))`
  const [line = ''] = await script(source)
  const followed = Object.keys(ways).map((way) => [way, 0])
  const found = (JSON.parse(line) as number[]).map((count, i) => [Object.keys(ways)[i], count])
  assert.deepEqual(found, followed)
})
