import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'

import { list, read } from '../support/repository.ts'

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>
}

// The file is ours, and exports.test.ts looks at its shape.
const { exports: entries } = JSON.parse(read('package.json')) as Manifest

/** `[name here, name outside, file it comes from]` of everything that a declaration file passes on. */
function passedOn(file: string): [string, string, string][] {
  const lists = read(file).matchAll(
    /^export (?:type )?\{(?<names>[^}]*)\}(?: from '(?<from>[^']+)')?/gm,
  )
  return [...lists].flatMap(({ groups }) => {
    const { names = '', from } = groups ?? {}
    const source = from === undefined ? file : posix.join(posix.dirname(file), from)
    return names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
      .map((name): [string, string, string] => {
        const [inside = '', outside = inside] = name.split(' as ')
        return [inside, outside, source.replace(/(?<!\.d)\.ts$/, '.d.ts')]
      })
  })
}

/** Whether the declaration of `name` has a comment directly before it, wherever it is. */
function isDocumented(file: string, name: string): boolean {
  const words = `(?:declare )?(?:abstract )?(?:class|const|function|interface|type) ${name}\\b`
  const declared = new RegExp(`(?<comment>\\*/\\s*)?^(?:export )?${words}`, 'm').exec(read(file))
  if (declared !== null) return declared.groups?.['comment'] !== undefined
  const found = passedOn(file).find(([, outside]) => outside === name)
  return found !== undefined && isDocumented(found[2], found[0])
}

test('every public name has a doc comment', () => {
  const files = Object.values(entries).filter((entry) => typeof entry !== 'string')
  const bare = files.flatMap(({ types }) => {
    const file = posix.normalize(types)
    return passedOn(file)
      .filter(([, name]) => !isDocumented(file, name))
      .map(([, name]) => `${file}: ${name}`)
  })
  assert.deepEqual(bare, [])
})

test('nothing in src is exported that nobody imports', () => {
  const sources = list('src', '.ts').map((path) => ({ path, text: read(path) }))
  const published = new Set(
    Object.values(entries).flatMap((entry) =>
      typeof entry === 'string'
        ? []
        : [entry.types.replace('./dist', 'src').replace('.d.ts', '.ts')],
    ),
  )
  const exported =
    /^export (?:abstract )?(?:async )?(?:class|const|let|function\*?|interface|type) (?<name>\w+)/gm
  const dead = sources
    .filter(({ path }) => !published.has(path))
    .flatMap(({ path, text }) =>
      [...text.matchAll(exported)]
        .map(({ groups }) => groups?.['name'] ?? '')
        .filter((name) => {
          const used = new RegExp(`\\b${name}\\b`)
          return !sources.some((other) => other.path !== path && used.test(other.text))
        })
        .map((name) => `${path}: ${name}`),
    )
  assert.deepEqual(dead, [])
})
