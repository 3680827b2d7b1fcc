/**
 * Where this copy of the package is. Told by a stack: what makes CommonJS of modules (Jest with Babel or ts-jest, a bundler)
 * leaves `import.meta` as it is, which no CommonJS may have, or gives nothing for it.
 */
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Of this module, as a URL or a path; in a bundle, of that. */
export const place: string = scriptHere()

const url = place.startsWith('file:') ? place : pathToFileURL(place)

/** A compiled file of the package. In a bundle there is none. */
export function ownFile(path: string): URL {
  // Also where a source map has said that this is a source.
  return new URL(`../../dist/${path}`, url)
}

/**
 * As URLs and as paths, as stacks have them, compiled and, by way of source maps, as it was written; nothing where a
 * bundler has put our code among that of the program.
 */
export function ownFolders(): string[] {
  if (!/[\\/]core[\\/]place\.[jt]s$/.test(place)) return []
  const folders = ['../../dist/', '../../src/'].map((folder) => new URL(folder, url))
  return folders.flatMap((folder) => [folder.href, fileURLToPath(folder)])
}

function scriptHere(): string {
  // Not as the program may want stacks to be said.
  const frame = stackBelow(stackBelow, 1, undefined)
  return /(?:\(|\bat )((?:\w+:)?[\\/].*?)(?::\d+)+\)?$/m.exec(frame)?.[1] ?? 'unknown'
}

/** What the program has set for its own stacks. */
export function hookOfProgram(): unknown {
  return Reflect.get(Error, 'prepareStackTrace')
}

/**
 * The stack from the caller of `below` on, as `hook` says it. What the program has set is restored as it was found: a
 * property, called by Node.js on what it belongs to.
 */
export function stackBelow(below: Function, limit: number, hook: unknown): string {
  const [limitBefore, hookBefore] = [Error.stackTraceLimit, hookOfProgram()]
  const holder: { stack?: unknown } = {}
  try {
    Reflect.set(Error, 'stackTraceLimit', limit)
    Reflect.set(Error, 'prepareStackTrace', hook)
    Error.captureStackTrace(holder, below)
    // A hook of somebody else's may have made something else of it.
    return String(holder.stack)
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limitBefore)
    Reflect.set(Error, 'prepareStackTrace', hookBefore)
  }
}
