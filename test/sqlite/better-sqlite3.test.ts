/** What is special about better-sqlite3. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printed } from './support/printed.ts'

test('a binary that cannot be loaded is told from a file that cannot be opened', () => {
  const script = `
    process.dlopen = () => {
      throw Object.assign(new Error('for another Node.js'), { code: 'ERR_DLOPEN_FAILED' })
    }
    const { sqlite } = await import('unwind/better-sqlite3')
    try {
      sqlite('shop.db')
    } catch ({ code, message, cause }) {
      console.log(JSON.stringify({ code, message, cause: cause.message }))
    }
  `
  const { code, message, cause } = printed(script) as Record<string, string>
  assert.equal(code, 'ERR_SQLITE_OPEN')
  assert.match(message ?? '', /"shop\.db": better-sqlite3 did not load its binary, .* npm rebuild/)
  assert.equal(cause, 'for another Node.js')
})
