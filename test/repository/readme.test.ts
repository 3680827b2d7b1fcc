import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'

import { blocksOf, pages, programsOf, regionOf, shownOutputs } from '../support/pages.ts'
import { list, pathOf, read } from '../support/repository.ts'

/** Their examples need no database, and run here; those of the other pages run in `test/examples/pages.test.ts`. */
const quick = ['README.md', 'docs/observability.md']
const compiled = import.meta.filename.endsWith('.js')

/** The settings of the examples, but for names that a later part of a program uses, and with Yoga's own types. */
const copied = {
  extends: '../../examples/tsconfig.json',
  compilerOptions: { noEmit: true, incremental: false, noUnusedLocals: false, paths: {} },
  include: ['.'],
}

async function outputOf(example: string): Promise<string> {
  const script = compiled ? `build/${example.replace(/\.ts$/, '.js')}` : example
  const { stdout } = await promisify(execFile)(process.execPath, [pathOf(script)])
  return stdout
}

for (const page of pages) {
  test(`${page} shows only code that was cut from an example, as it stands there (npm run docs)`, () => {
    const code = blocksOf(page).filter(({ language }) => language === 'ts')
    assert.ok(code.length > 0)
    for (const { origin = '', text } of code) {
      assert.match(origin, /^examples\/.+\.ts#\w+$/)
      assert.equal(text.trimEnd(), regionOf(origin).trimEnd())
    }
  })
}

test('the blocks of every page compile when they are copied: they bring their imports', () => {
  rmSync(pathOf('build/blocks'), { recursive: true, force: true })
  for (const [example, code] of pages.flatMap((page) => Array.from(programsOf(page)))) {
    const file = pathOf(example.replace('examples/', 'build/blocks/'))
    mkdirSync(dirname(file), { recursive: true })
    // A module, whatever it imports.
    writeFileSync(file, `${code}export {}\n`)
  }
  writeFileSync(pathOf('build/blocks/tsconfig.json'), JSON.stringify(copied))
  const words = [pathOf('node_modules/typescript/bin/tsc'), '--project', pathOf('build/blocks')]
  const { stdout } = spawnSync(process.execPath, words, { encoding: 'utf8' })
  assert.equal(stdout, '')
})

for (const page of quick) {
  test(`${page} shows the output that its examples have`, async () => {
    const outputs = shownOutputs(page)
    assert.ok(outputs.size > 0)
    for (const [example, text] of outputs) assert.equal(text, await outputOf(example))
  })
}

describe('examples', () => {
  const index = read('examples/README.md')
  const files = list('examples', '.ts').filter((path) => !path.startsWith('examples/shop/'))

  test('each has a line in examples/README.md, and none is listed that is gone', () => {
    const listed = [...index.matchAll(/\]\((?<path>[^)]+\.ts)\)/g)]
    assert.deepEqual(
      listed.map(({ groups }) => `examples/${groups?.['path']}`).toSorted(),
      [...files, 'examples/shop/main.ts'].toSorted(),
    )
  })

  test('none has more than 60 lines', () => {
    const long = files.filter((path) => read(path).trimEnd().split('\n').length > 60)
    assert.deepEqual(long, [])
  })
})

describe('links', () => {
  test('every link of a page to another file leads to one, and to a heading of it', () => {
    for (const page of [...pages, 'CONTRIBUTING.md', 'SECURITY.md', ...list('docs', '.md')]) {
      const links = read(page).matchAll(/\]\((?<to>[^)\s:#]*)(?:#(?<heading>[^)\s]*))?\)/g)
      for (const { groups } of links) {
        const { to = '', heading } = groups ?? {}
        const base = new URL(page, 'file:///')
        const target = to === '' ? page : new URL(to, base).pathname.slice(1)
        if (/\.(?:md|ts)$/.test(target)) {
          const text = read(target)
          if (heading !== undefined)
            assert.ok(anchorsOf(text).includes(heading), `${page}: ${heading}`)
        }
      }
    }
  })
})

test('every test that SECURITY.md names is there', () => {
  const named = [...read('SECURITY.md').matchAll(/`(?<path>test\/[\w/.-]+\.test\.ts)`/g)]
  assert.ok(named.length >= 10)
  for (const { groups } of named) assert.ok(read(groups?.['path'] ?? ''))
})

/** What GitHub makes of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (?<words>.+)$/gm)].map(({ groups }) =>
    (groups?.['words'] ?? '')
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
