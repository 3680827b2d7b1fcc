/** Further copies of the package, as two versions in one tree are, or one that was bundled. */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { build } from 'esbuild'

const root = dirname(fileURLToPath(import.meta.resolve('unwind/package.json')))

/** A copy of its files, until the tests of this file are over. @returns what imports one of its modules */
export function copyPackage(): (module: string) => Promise<unknown> {
  const copy = temporary()
  cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'dir')
  return (module) => import(pathToFileURL(join(copy, 'dist', module)).href)
}

/** What `modules` of it export, bundled into one CommonJS module. */
export async function bundlePackage(...modules: readonly string[]): Promise<unknown> {
  const file = join(temporary(), 'bundle.cjs')
  const source = modules.map((module) => `export * from './dist/${module}'`).join('\n')
  await build({
    stdin: { contents: source, resolveDir: root },
    bundle: true,
    format: 'cjs',
    platform: 'node',
    outfile: file,
    // That there is no import.meta is looked at where it is used.
    logLevel: 'error',
  })
  return createRequire(import.meta.url)(file)
}

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'unwind-copy-'))
  after(() => rmSync(folder, { recursive: true }))
  return folder
}
