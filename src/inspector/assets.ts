/**
 * The files of the page: its two texts, and the modules that stand compiled beside this one. They are read when somebody
 * looks for the first time, so that an inspector that nobody opens costs nothing.
 */
import { readFileSync } from 'node:fs'
import { ownFile } from '../core/place.ts'
import type { Content } from './answer.ts'
import { document } from './document.ts'
import { style } from './style.ts'

const modules = ['main', 'dom', 'drawings', 'tables'] as const

let files: ReadonlyMap<string, Content> | undefined

/** The file of that name; the page itself is ``. */
export function assetOf(name: string): Content | undefined {
  files ??= readAll()
  return files.get(name)
}

function readAll(): ReadonlyMap<string, Content> {
  const scripts = modules.map((name): [string, Content] => [
    `${name}.js`,
    { type: 'text/javascript; charset=utf-8', body: flushLeft(readModule(name)) },
  ])
  return new Map<string, Content>([
    ['', { type: 'text/html; charset=utf-8', body: flushLeft(document) }],
    [
      'style.css',
      { type: 'text/css; charset=utf-8', body: flushLeft(style).replaceAll(/ ?([{};:,]) /g, '$1') },
    ],
    ...scripts,
  ])
}

/** Without the spaces that only people need. */
function flushLeft(text: string): string {
  return text.replaceAll(/^\s+/gm, '')
}

/** @throws where the package was bundled without them */
function readModule(name: string): string {
  const file = ownFile(`inspector/page/${name}.js`)
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(
      `The inspector cannot read its page, ${file.pathname}. If your server is bundled, leave \`unwind/inspector\` out of the bundle.`,
      { cause: error },
    )
  }
}
