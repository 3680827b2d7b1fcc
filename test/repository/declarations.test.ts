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

/** Where the entry points are declared. */
function entryFiles(): string[] {
  const found = read('package.json').matchAll(/"types": "\.\/(dist\/[^"]+)"/g)
  return [...found].map(([, path = '']) => path)
}

/** The members of an interface that have no comment before them; of overloads the first has it. */
function uncommented(body: string): string[] {
  const found: string[] = []
  const known = new Set<string>()
  for (const [, comment, name = ''] of body.matchAll(member)) {
    if (comment === undefined && !known.has(name)) found.push(name)
    known.add(name)
  }
  return found
}

/** At the first level of an interface: what `tsc` indents by four. */
const member = /(\*\/\n)?^ {4}(?:readonly )?(\w+|'[\w:-]+')\??[<(:]/gm
const interfaces = /^export interface (\w+)[^{]*\{\n([^]*?)^\}/gm

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

  test('say of each member of a public interface what it is: an editor shows nothing else', () => {
    const shown = entryFiles().flatMap(
      (path) => read(path).match(/^export (?:(?:type )?\{[^}]*|interface \w+)/gm) ?? [],
    )
    const names = new Set(shown.flatMap((text) => text.match(/\b[A-Z]\w+/g) ?? []))
    const missing = declarations.flatMap(({ path }) =>
      [...read(path).matchAll(interfaces)]
        .filter(([, name = '']) => names.has(name))
        .flatMap(([, name, body = '']) => uncommented(body).map((of) => `${path}: ${name}.${of}`)),
    )
    assert.deepEqual(missing, [])
  })
})
