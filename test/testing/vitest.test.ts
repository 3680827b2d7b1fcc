/** Under Vitest, by `setupFiles: ['unwind/testing']`. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { start } from './support/runner.ts'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly title: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

test('a test that leaves something held fails, and no other', async (t) => {
  // In the repository, where the fixture finds the package by its name.
  await mkdir(join(root, 'build'), { recursive: true })
  const folder = await mkdtemp(join(root, 'build', 'vitest-'))
  t.after(() => rm(folder, { recursive: true }))
  const config = join(folder, 'vitest.config.mjs')
  const test = {
    root,
    include: ['test/testing/fixtures/*.vitest.mjs'],
    setupFiles: ['unwind/testing'],
  }
  await writeFile(config, `export default ${JSON.stringify({ root, test })}\n`)
  const program = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const report = join(folder, 'report.json')
  const flags = ['--config', config, '--reporter=json', `--outputFile=${report}`]
  const { output } = await start([program, 'run', ...flags])
  // The reporter's own format.
  const { testResults } = JSON.parse(await readFile(report, 'utf8')) as Report
  const results = testResults[0]?.assertionResults ?? []
  assert.deepEqual(
    results.map(({ title, status }) => [title, status]),
    [
      ['leaky: a value', 'failed'],
      ['clean: a request', 'passed'],
      ['leaky: a scope', 'failed'],
      ['clean: released by afterEach', 'passed'],
      ['clean: released when finished', 'passed'],
      ['clean: holds something while the other ends', 'passed'],
      ['clean: ends first', 'passed'],
    ],
    output,
  )
  assert.match(
    results[0]?.failureMessages[0] ?? '',
    /left held by "leaky: a value":\s+"redis", acquired/,
  )
  assert.match(results[2]?.failureMessages[0] ?? '', /"forgotten job" .*which holds "connection"/)
})

test('a program that a test of Vitest starts may ask for checks of its own', async () => {
  const program = "import { assertNoLeaks } from 'unwind/testing'; await assertNoLeaks(() => {})"
  const parameters = ['--input-type=module', '--eval', program]
  assert.deepEqual(await start(parameters, { VITEST: 'true' }), { code: 0, output: '' })
})
