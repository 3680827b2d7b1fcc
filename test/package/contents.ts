/** The tarball has what a user needs, and nothing else; every map in it leads to a source that is in it too. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

import type { Project } from './project.ts'

const wanted =
  /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|docs\/[\w/-]+\.md|src\/[\w/-]+\.ts|dist\/[\w/-]+\.(?:d\.ts|js)(?:\.map)?)$/
const unwanted = /^src\/inspector\/page\/|^dist\/inspector\/page\/.*\.d\.ts/

export function checkContents({ installed }: Project): void {
  const files = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(installed.length + 1))
  const strangers = files.filter((file) => !wanted.test(file) || unwanted.test(file))
  assert.deepEqual(strangers, [], 'files that no user needs')
  const known = new Set(files)
  for (const file of files) {
    if (!file.endsWith('.map')) continue
    const map = JSON.parse(readFileSync(join(installed, file), 'utf8')) as { sources: string[] }
    for (const source of map.sources) {
      assert.ok(known.has(normalize(join(dirname(file), source))), `${file} leads to ${source}`)
    }
  }
  console.log(`${files.length} files, each of which has its use`)
}
