/** A leak check looks at what its own copy of the package holds, and says so where there are others. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { assertNoLeaks } from 'unwind/testing'
import { copyPackage } from '../support/copies.ts'

test('a leak check warns once of further copies of the package, which it cannot look into', async () => {
  const warnings: NodeJS.ErrnoException[] = []
  const listener = (warning: NodeJS.ErrnoException): void => void warnings.push(warning)
  process.on('warning', listener)
  await assertNoLeaks(() => {})
  await copyPackage()('index.js')
  const warned = once(process, 'warning')
  await assertNoLeaks(() => {})
  await assertNoLeaks(() => {})
  await warned
  process.off('warning', listener)
  const [{ code, message } = assert.fail(), ...others] = warnings
  assert.deepEqual([code, others], ['UNWIND_COPIES', []])
  assert.match(message, /^2 copies of unwind .* file:.*core\/place\.[jt]s, file:.*unwind-copy-/)
})
