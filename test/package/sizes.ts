/** What each entry point adds to a bundle: minified by esbuild, and compressed by gzip. */
import assert from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

import { entries } from './entries.ts'
import type { Project } from './project.ts'

export async function printSizes(project: Project): Promise<void> {
  console.log('\nbundled             minified   compressed')
  for (const { name } of entries) {
    const text = await bundle(project, `export * from '${name}'`)
    const sizes = [text.length, gzipSync(text, { level: 9 }).length]
    const [minified = '', compressed = ''] = sizes.map((size) => (size / 1_000).toFixed(1))
    console.log(`${name.padEnd(22)}${minified.padStart(6)}${compressed.padStart(13)} kB`)
  }
}

const program = `
  import { createApp, resource } from 'unwind'
  const one = resource({ name: 'one', acquire: () => 1, release: () => console.log('released') })
  void createApp().run(async (scope) => console.log(await scope.get(one)))`

/** Code that was bundled and minified does what it did before, and what nobody imports is left out. */
export async function checkBundle(project: Project): Promise<void> {
  for (const [format, file] of [
    ['esm', 'bundled.mjs'],
    ['cjs', 'bundled.cjs'],
  ] as const) {
    const text = await bundle(project, program, format)
    assert.ok(!text.includes('The held "'), 'nothing is held, and hold() is there')
    project.write(file, text)
    const { out } = project.run(process.execPath, [file])
    assert.equal(out, '1\nreleased\n')
  }
}

async function bundle(
  project: Project,
  contents: string,
  format: 'esm' | 'cjs' = 'esm',
): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project.folder },
    bundle: true,
    minify: true,
    write: false,
    format,
    platform: 'node',
    target: 'node22',
    external: ['better-sqlite3', 'ws'],
    logLevel: 'error',
  })
  return outputFiles[0]?.text ?? ''
}
