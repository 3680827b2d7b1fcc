/**
 * What users compile against. The types of Node.js differ between the supported versions, and only one of them is
 * installed here: what differs is looked for by name.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { list, read } from '../support/repository.ts'

/** Without what is said in comments. */
const declarations = list('dist', '.d.ts').map((path) => ({
  path,
  text: read(path).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, ''),
}))

describe('the declarations', () => {
  test('are there', () => {
    assert.ok(declarations.length > 100)
  })

  test('name no type that needs the library esnext.disposable: the types of Node.js 22 do not bring it', () => {
    const global =
      /globalThis\.SuppressedError|(?<![\w$])(?:SuppressedError|(?:Async)?DisposableStack)(?![\w$])/
    for (const { path, text } of declarations) {
      if (!global.test(text)) continue
      const own =
        /(?:import \{[^}]*|interface |class )(?:SuppressedError|(?:Async)?DisposableStack)\b/
      assert.match(text, own, path)
      assert.doesNotMatch(text, /globalThis\./, path)
    }
  })

  test('name a tracing channel so that the order of its types does not matter: Node.js 26 has changed it', () => {
    for (const { path, text } of declarations) {
      for (const [, first, second] of text.matchAll(/TracingChannel<([^,>]+),\s*([^>]+)>/g)) {
        assert.equal(first, second, path)
      }
    }
  })
})
