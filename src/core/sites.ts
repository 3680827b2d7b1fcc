/**
 * Where in a program something was acquired: the frames of the caller, without our own. Formatted at once, because a
 * stack that nobody has read keeps alive what its functions were called on; and each text is kept once.
 */
import { fileURLToPath } from 'node:url'
import { detection } from './detection.ts'

/** Frames that are kept. */
const depth = 6
/** Texts that are remembered. A program has few places that acquire. */
const remembered = 1_000

const texts = new Map<string, string>()
const own = ownFolders()

const closings = new WeakMap<object, Error>()

/** A scope begins to close, or to run the body that it closes with. At the level `full`, its users are told where. */
export function noteClosing(scope: object, explicit: boolean): void {
  if (detection.level !== 'full') return
  const what = explicit ? 'The scope was closed here.' : 'The scope closes with the body run here.'
  closings.set(scope, placed(what))
}

export function closingOf(scope: object): Error | undefined {
  return closings.get(scope)
}

/** An error whose stack is that of the caller, without our own frames. */
function placed(message: string): Error {
  const error = new Error(message)
  const frames = siteHere().split('\n')
  error.stack = [`Error: ${message}`, ...frames.map((line) => `    ${line}`)].join('\n')
  return error
}

/** One line for each frame, innermost first. */
export function siteHere(): string {
  const site = interned(framesOf(stackHere()))
  return site === '' ? 'outside of every file of the program' : site
}

function stackHere(): string {
  const holder: { stack?: unknown } = {}
  const { stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = depth + 14
    Error.captureStackTrace(holder, siteHere)
    // Read at once. A hook of somebody else's may have made something else of it.
    return String(holder.stack)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What a stack says of the program, one line for each frame, innermost first. */
export function framesOf(stack: string): string {
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '))
  const theirs = frames.filter((line) => !isOwn(line))
  return theirs
    .slice(0, depth)
    .map((line) => line.trim())
    .join('\n')
}

/** Ours, those of Node.js, and those that stand for no line of any file. */
const ofNobody = /node:internal\/|\(node:async_hooks|\(<anonymous>\)$|\(index \d+\)$/

function isOwn(frame: string): boolean {
  return ofNobody.test(frame) || own.some((folder) => frame.includes(folder))
}

/**
 * As URLs and as paths, as stacks have them, compiled and, by way of source maps, as it was written; nothing where a
 * bundler has put our code among that of the program.
 */
function ownFolders(): string[] {
  const { url } = import.meta
  if (!/\/core\/sites\.[jt]s$/.test(url)) return []
  const folders = ['../../dist/', '../../src/'].map((folder) => new URL(folder, url))
  return folders.flatMap((folder) => [folder.href, fileURLToPath(folder)])
}

function interned(text: string): string {
  const known = texts.get(text)
  if (known !== undefined) return known
  const [oldest] = texts.size < remembered ? [] : texts.keys()
  if (oldest !== undefined) texts.delete(oldest)
  texts.set(text, text)
  return text
}
