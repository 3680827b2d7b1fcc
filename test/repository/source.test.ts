import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { list, read } from '../support/repository.ts'

interface Line {
  /** Where it is: `src/core/scope.ts:12`. */
  readonly at: string
  /** Without strings and comments. */
  readonly code: string
  readonly isComment: boolean
  /** Whether a comment stands at its end. */
  readonly remarked: boolean
  /** The one before it. */
  readonly before: Line | undefined
}

const files = list('src', '.ts').map((path) => ({ path, text: read(path) }))
const lines = files.flatMap(({ path, text }) => linesOf(path, text))

function linesOf(path: string, text: string): Line[] {
  const found: Line[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const isComment = /^\s*(\/\/|\/\*|\*)/.test(line)
    const bare = line.replaceAll(/'(?:[^'\\]|\\.)*'|`[^`]*`/g, "''")
    found.push({
      at: `${path}:${index + 1}`,
      code: isComment ? '' : bare.replace(/\/\/.*$/, ''),
      isComment,
      remarked: bare.includes('//'),
      before: found.at(-1),
    })
  }
  return found
}

function offending(rule: (line: Line) => boolean): string[] {
  return lines.filter(rule).map(({ at }) => at)
}

describe('the source', () => {
  test('no file is longer than 300 lines', () => {
    const all = ['src', 'test', 'types', 'bench', 'examples'].flatMap((folder) =>
      list(folder, '.ts'),
    )
    assert.deepEqual(
      all.filter((path) => read(path).split('\n').length > 301),
      [],
    )
  })

  test('every file says first what it is for, in at most five lines', () => {
    for (const { path, text } of files) {
      const header = /^\/\*\*(?<words>[\s\S]*?)\*\//.exec(text)?.groups?.['words']
      assert.ok(header !== undefined, path)
      const said = header.split('\n').filter((line) => /[^\s*]/.test(line))
      assert.ok(said.length <= 5, `${path} takes ${said.length} lines`)
    }
  })

  test('nothing is asserted to be there with an exclamation mark', () => {
    assert.deepEqual(
      offending(({ code }) => /[\w)\]]!(?:[.,;)\]]|\s*$)/.test(code)),
      [],
    )
  })

  test('every cast has a comment that says why it holds', () => {
    const isCast = ({ code }: Line): boolean =>
      /\bas (?!const\b)/.test(code) &&
      !/^\s*(?:import|export) .*\bfrom\b|^\s*\w+ as \w+,/.test(code)
    const isExplained = (line: Line): boolean => {
      const above = [line.before, line.before?.before, line.before?.before?.before]
      return line.remarked || above.some((one) => one?.isComment === true)
    }
    assert.deepEqual(
      offending((line) => isCast(line) && !isExplained(line)),
      [],
    )
  })

  test('the compiled code needs no syntax newer than Node.js 22', () => {
    assert.deepEqual(
      offending(({ code }) => /^\s*(?:await )?using \w/.test(code)),
      [],
    )
  })

  test('the ambient context is entered with a callback, in one file', () => {
    const entered = files.filter(({ text }) => /\.(?:enterWith|withScope)\(/.test(text))
    const stored = files.filter(({ text }) => text.includes('new AsyncLocalStorage'))
    assert.deepEqual(
      [...entered, ...stored]
        .map(({ path }) => path)
        .filter((path) => path !== 'src/core/context.ts'),
      [],
    )
  })

  test('what makes CommonJS of the modules, as Jest and bundlers do, finds nothing that has none there', () => {
    assert.deepEqual(
      offending(({ code }) => /\bimport\.meta\b/.test(code)),
      [],
    )
  })

  test('an entry point lists what it exports by name', () => {
    assert.deepEqual(
      offending(({ code }) => /^\s*export \*|^\s*export default\b/.test(code)),
      [],
    )
  })
})
