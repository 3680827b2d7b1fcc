/** The examples of the guide, and of coming from elsewhere, print what their pages show, and end. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { databaseUrl } from '../pg/support/database.ts'
import { pages, shownOutputs } from '../support/pages.ts'
import { list, read } from '../support/repository.ts'
import { runExample } from './support/example.ts'

const guides = pages.filter((page) => /^docs\/(?:guide|from-)/.test(page))
const shown = new Map(guides.map(shownOutputs).flatMap((outputs) => Array.from(outputs)))

/** As written, an example that declares nothing with `using` is the same program as compiled. */
const isCompiled = import.meta.url.endsWith('.js')
const isRun = (example: string): boolean => isCompiled || /\busing \w+ = /.test(read(example))

describe('examples of the guide', { concurrency: 2 }, () => {
  for (const [example, output] of shown) {
    if (!isRun(example)) continue
    test(`${example} prints what the page shows`, async () => {
      const name = example.replace(/^examples\/(.*)\.ts$/, '$1')
      const { code, out, err } = await runExample(name, [], { databaseUrl: databaseUrl() })
      assert.equal(out, output, err)
      assert.equal(code, 0, err)
      assert.doesNotMatch(err, /UNWIND_LEAK/)
    })
  }

  test('every file is run', () => {
    const files = [...list('examples/guide', '.ts'), ...list('examples/coming-from', '.ts')]
    // It asserts for itself, and shows no output.
    const silent = ['examples/guide/overrides.ts']
    assert.deepEqual([...shown.keys(), ...silent].toSorted(), files.toSorted())
  })

  test('examples/guide/overrides.ts asserts for itself', async () => {
    const { code, out, err } = await runExample('guide/overrides')
    assert.equal(out, 'ok\n', err)
    assert.equal(code, 0, err)
  })
})
