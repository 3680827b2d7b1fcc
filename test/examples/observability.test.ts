/** The examples of docs/observability.md do what the page says. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { databaseUrl } from '../pg/support/database.ts'
import { read } from '../support/repository.ts'
import { runExample } from './support/example.ts'

const page = read('docs/observability.md')

describe('examples of seeing what is held', () => {
  test('the pool that runs dry names who emptied it', async () => {
    const { code, out, err } = await runExample('dry-pool', [], { databaseUrl: databaseUrl() })
    assert.equal(code, 0, err)
    const shown = /<!-- output of examples\/dry-pool\.ts.*?-->\s+```console\n([^`]*)```/s.exec(page)
    assert.equal(out, shown?.[1])
    assert.match(
      err,
      /\[UNWIND_LEAK\] UnwindWarning: Leak: "pg\.lease" is still held although its scope, "GET \/report"/,
    )
  })

  test('the metrics have names and values', async () => {
    const { code, out, err } = await runExample('metrics')
    assert.equal(code, 0, err)
    const lines = out.trim().split('\n')
    assert.ok(lines.length >= 5, out)
    for (const line of lines) {
      assert.match(line, /^(unwind|db\.client)[\w.]+ \S+ true$/)
      assert.ok(page.includes(`\`${line.split(' ')[0]}\``), line)
    }
  })
})
