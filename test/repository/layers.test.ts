import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { describe, test } from 'node:test'

import { importsOf, list, read } from '../support/repository.ts'

/**
 * The layers of the core. A file imports from the rows above its own, and in its own row from what stands before it;
 * types count like values.
 */
const core = [
  [
    'errors/attempt',
    'standard/suppressed-error',
    'errors/origin',
    'errors/format',
    'errors/error-json',
    'url-path',
    'place',
  ],
  [
    'errors/errors',
    'reports',
    'outcome',
    'types',
    'options',
    'dispose',
    'watching/events',
    'deadline',
    'tree',
    'context',
  ],
  [
    'watching/activity',
    'watching/sweeping',
    'watching/detection',
    'watching/sites',
    'misuse',
    'watching/usage',
    'watching/leaks',
    'watching/pools',
  ],
  [
    'cancellation',
    'completion',
    'settings',
    'waiting',
    'watching/notes',
    'watching/telling',
    'watching/held',
    'abort',
  ],
  [
    'finalizers',
    'patience',
    'unwinding',
    'release-alone',
    'admission',
    'standard/dispose-resources',
    'standard/stack',
    'tasks',
    'lease',
  ],
  [
    'resources/recipe',
    'resources/acquisition',
    'resources/generator',
    'resources/resource',
    'resources/inputs',
    'resources/overrides',
    'resources/chains',
    'resources/start',
    'resources/instance',
    'resources/holdings',
  ],
  [
    'watching/open-apps',
    'extras',
    'drain',
    'life',
    'parked',
    'stream',
    'watching/snapshot',
    'verbs',
    'scope',
    'shapes',
    'shutdown',
    'app',
    'ambient',
  ],
].flat()

/**
 * The types that files below speak of: what is done with a scope is done with its class, and an acquisition with the
 * instance that it is for.
 */
const typesAbove = new Set(['scope', 'resources/instance'])

/** What stands on the core. No folder knows another. */
const folders = ['inspector', 'node', 'otel', 'pg', 'servers', 'sqlite', 'testing', 'ws']

/** Who needs a package when it runs, and not only its types: what opens files and sockets with the driver itself. */
const drivers: Readonly<Record<string, string>> = {
  'src/sqlite/better-sqlite3.ts': 'better-sqlite3',
  'src/ws/connect.ts': 'ws',
}

const sources = list('src', '.ts').map((path) => ({ path, imports: importsOf(read(path)) }))

function within(folder: string): typeof sources {
  return sources.filter(({ path }) => path.startsWith(`src/${folder}/`))
}

/** As the table has it: its path below `src/core`, without the ending. */
function nameOf(path: string): string {
  return path.replace(/^src\/core\//, '').replace(/\.ts$/, '')
}

function isRelative(from: string): boolean {
  return from.startsWith('.')
}

/** Types are gone by then. */
function loadedBy(path: string, imports: ReturnType<typeof importsOf>): string[] {
  return imports
    .filter(({ from, typeOnly }) => isRelative(from) && !typeOnly)
    .map(({ from }) => posix.join(posix.dirname(path), from))
}

describe('layers', () => {
  test('every file of the core has its place in the table of layers', () => {
    const files = within('core').map(({ path }) => nameOf(path))
    assert.deepEqual(files.toSorted(), core.toSorted())
  })

  test('a file of the core imports only from the layers below it', () => {
    for (const { path, imports } of within('core')) {
      const name = nameOf(path)
      for (const { from, typeOnly } of imports.filter((found) => isRelative(found.from))) {
        const target = nameOf(posix.join(posix.dirname(path), from))
        const below = core.includes(target) && core.indexOf(target) < core.indexOf(name)
        assert.ok(below || (typeOnly && typesAbove.has(target)), `${path} imports ${from}`)
      }
    }
  })

  test('nothing imports an entry point, and the entry point of the core imports the core alone', () => {
    for (const { path, imports } of sources) {
      for (const { from } of imports.filter((found) => isRelative(found.from))) {
        const target = posix.join(posix.dirname(path), from)
        assert.notEqual(target, 'src/index.ts', path)
        if (path === 'src/index.ts') assert.match(target, /^src\/core\//)
      }
    }
  })

  for (const folder of folders) {
    test(`src/${folder} imports from itself and the core, and from no other folder`, () => {
      for (const { path, imports } of within(folder)) {
        for (const { from } of imports.filter((found) => isRelative(found.from))) {
          const [, target] = posix.join(posix.dirname(path), from).split('/')
          assert.ok(target === folder || target === 'core', `${path} imports ${from}`)
        }
      }
    })
  }

  test('no files load each other in a circle, of which bundlers would warn', () => {
    const left = new Map(sources.map(({ path, imports }) => [path, loadedBy(path, imports)]))
    for (let before = 0; before !== left.size;) {
      before = left.size
      // What loads nothing that is left is in no circle.
      for (const [path, loads] of left) if (!loads.some((one) => left.has(one))) left.delete(path)
    }
    assert.deepEqual([...left.keys()], [])
  })

  test('every folder of src has its place', () => {
    const found = sources.map(({ path }) => path.split('/')).filter(({ length }) => length > 2)
    const names = new Set(found.map(([, folder]) => folder))
    assert.deepEqual([...names].toSorted(), ['core', ...folders])
  })

  test('no driver and no framework is imported at run time, but by what opens it', () => {
    for (const { path, imports } of sources) {
      const foreign = imports.filter(
        ({ from, typeOnly }) => !typeOnly && !isRelative(from) && !from.startsWith('node:'),
      )
      for (const { from } of foreign) assert.equal(drivers[path], from, `${path} imports ${from}`)
    }
  })
})
