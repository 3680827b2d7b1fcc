/** The examples of SQLite do what they say. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runExample } from './support/example.ts'

const outputs = {
  'sqlite-transactions': `
Error: Ada has not enough.
The bank pays 30.
The bank pays 70.
[ { name: 'Ada', balance: 0 }, { name: 'Bob', balance: 0 } ]
ERR_SQLITE_AWAIT
`,
  'sqlite-server': `
lamp 201
unicorn 404
chair 201
[ { id: 1, item: 'lamp' }, { id: 2, item: 'chair' } ]
`,
  'sqlite-report': `
first over 50: 501
in the copy: 1000 in the original: 1001
`,
}

for (const [name, output] of Object.entries(outputs)) {
  test(`examples/${name}.ts prints what is expected, and ends`, async () => {
    const { code, out, err } = await runExample(name)
    assert.equal(out.trim(), output.trim(), err)
    assert.equal(code, 0)
  })
}
