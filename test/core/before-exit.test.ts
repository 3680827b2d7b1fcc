/** A process that is about to end is not kept alive by what it does last. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { script } from './support/script.ts'

test('a listener for beforeExit may open a scope: the process ends', async () => {
  const lines = await script(`
    const app = createApp()
    let times = 0
    process.on('beforeExit', () => {
      times += 1
      if (times > 2) process.exit()
      void app.run(async () => {})
    })
    process.on('exit', () => console.log(times))
    await turn()`)
  assert.deepEqual(lines, ['1'])
})
