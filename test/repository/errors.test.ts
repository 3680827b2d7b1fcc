import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { list, read } from '../support/repository.ts'

/** What Node.js calls its own errors, where the source recognises them. */
const ofNode = new Set<string>([])

const source = list('src', '.ts').map(read).join('\n')
const page = read('docs/errors.md')

function all(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, code = '']) => code))].toSorted()
}

const written = all(source, /'((?:ERR|UNWIND)_[A-Z_]+)'/g).filter((code) => !ofNode.has(code))
const explained = all(page, /^#+ `([A-Z_]+)`$/gm)

describe('docs/errors.md', () => {
  test('explains every code that the source has, and no other', () => {
    assert.deepEqual(explained, written)
  })

  test('says of every code what it means, what usually causes it and what to do', () => {
    for (const section of page.split(/^#+ (?=`[A-Z_]+`$)/m).slice(1)) {
      for (const part of ['Means', 'Causes', 'Cure']) {
        assert.match(section, new RegExp(`^- ${part}: `, 'm'), section.split('\n')[0])
      }
    }
  })
})
