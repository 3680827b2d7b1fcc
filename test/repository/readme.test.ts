import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'

import { pathOf, read } from '../support/repository.ts'

interface Block {
  /** What the comment before it says: `examples/quick.ts#name`, or `output of examples/quick.ts`. */
  readonly origin: string | undefined
  readonly language: string
  readonly text: string
}

const pages = ['README.md', 'docs/observability.md']
const compiled = import.meta.filename.endsWith('.js')

/** The code blocks of a page, each with the comment directly before it. */
function blocksOf(page: string): Block[] {
  const fenced = /(?:<!-- (?<origin>[^\n]*?) -->\n+)?^```(?<language>\w*)\n(?<text>[\s\S]*?)^```$/gm
  return [...page.matchAll(fenced)].map(({ groups }) => ({
    origin: groups?.['origin'],
    language: groups?.['language'] ?? '',
    text: groups?.['text'] ?? '',
  }))
}

/** The lines between `// #region name` and `// #endregion`, as far to the left as they go. */
function regionOf(origin: string): string {
  const [path = '', name = ''] = origin.split('#')
  const lines = read(path).split('\n')
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`)
  assert.notEqual(start, -1, `${path} has no region "${name}"`)
  const end = lines.findIndex((line, index) => index > start && line.trim() === '// #endregion')
  const region = lines.slice(start + 1, end)
  const indents = region.filter((line) => line !== '').map((line) => line.search(/\S/))
  return region.map((line) => line.slice(Math.min(...indents))).join('\n')
}

async function outputOf(example: string): Promise<string> {
  const script = compiled ? `build/${example.replace(/\.ts$/, '.js')}` : example
  const { stdout } = await promisify(execFile)(process.execPath, [pathOf(script)])
  return stdout
}

for (const page of pages) {
  describe(page, () => {
    const blocks = blocksOf(read(page))

    test('shows only code that was cut from an example, as it stands there', () => {
      const code = blocks.filter(({ language }) => language === 'ts')
      assert.ok(code.length > 0)
      for (const { origin = '', text } of code) {
        assert.match(origin, /^examples\/.+\.ts#\w+$/)
        assert.equal(text.trimEnd(), regionOf(origin).trimEnd())
      }
    })

    test('shows the output that the example has', async () => {
      const outputs = blocks.filter(({ language }) => language === 'text')
      assert.ok(outputs.length > 0)
      for (const { origin = '', text } of outputs) {
        assert.match(origin, /^output of examples\/.+\.ts$/)
        assert.equal(text, await outputOf(origin.replace('output of ', '')))
      }
    })
  })
}
