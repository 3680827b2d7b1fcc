/** Each entry point can be imported and required, without any peer where it needs none, and its errors point to sources. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'

import { entries, type Entry } from './entries.ts'
import type { Project } from './project.ts'

export function checkLoading(project: Project): void {
  const installed = readdirSync(`${project.folder}/node_modules`)
  assert.deepEqual(
    installed.filter((name) => !name.startsWith('.')),
    ['tslib', 'unwind'],
  )
  loadAll(
    project,
    entries.filter((entry) => entry.loads === undefined),
  )
  for (const entry of entries) {
    if (entry.loads === undefined) continue
    const { code, out } = project.evaluate(`await import('${entry.name}')`)
    assert.notEqual(code, 0, `${entry.name} loads without ${entry.loads}`)
    assert.match(out, new RegExp(`'${entry.loads}'`), 'the error names what is missing')
    project.link(entry.loads)
    loadAll(project, [entry])
    project.unlink(entry.loads)
  }
}

function loadAll(project: Project, loaded: readonly Entry[]): void {
  const names = JSON.stringify(loaded.map(({ name }) => name))
  const imported = project.evaluate(`
    for (const name of ${names}) console.log(name, Object.keys(await import(name)).sort().join())`)
  const required = project.evaluate(
    `for (const name of ${names}) console.log(name, Object.keys(require(name))
      .filter((key) => key !== '__esModule' && key !== 'module.exports').sort().join())`,
    'commonjs',
    '--no-warnings',
  )
  assert.equal(imported.code, 0, imported.out)
  assert.equal(required.code, 0, required.out)
  assert.equal(required.out, imported.out)
}

/** With source maps, an error of the package says where in its sources it was made, and the file is there. */
export function checkSourceMaps(project: Project): void {
  const code = `import { currentScope } from 'unwind'; currentScope()`
  const { out } = project.evaluate(code, 'module', '--enable-source-maps')
  const [, file = '', line = ''] =
    /node_modules\/unwind\/(src\/core\/[\w/-]+\.ts):(\d+)/.exec(out) ?? []
  assert.notEqual(file, '', out)
  const lines = project.read(`node_modules/unwind/${file}`).split('\n')
  assert.match(lines[Number(line) - 1] ?? '', /Error\(/, `${file}:${line}`)
}
