/**
 * Where in a program something was acquired: the frames of the caller, without our own. Read at once, because a stack
 * that nobody has read keeps alive what its functions were called on. Formatting one costs more than everything else
 * here, so it is done once for each place.
 */
import { detection } from './detection.ts'
import { hookOfProgram, ownFolders, stackBelow } from '../place.ts'

/** Frames that are kept. */
const depth = 6
/** Frames of ours that may stand before them. */
const ownDepth = 16
/** Places that are remembered. A program has few that acquire. */
const remembered = 1_000

/** By the positions of their frames. */
const sites = new Map<string, string>()
const scripts = new Map<string | null, number>()
const own = ownFolders()

const closings = new WeakMap<object, { readonly how: string; readonly site: string }>()

/**
 * A scope begins to close, or to run the body that it closes with. At the level `full`, its users are told where.
 * @param opened where it was, if it was opened for that body
 */
export function noteClosing(scope: object, opened: string | undefined): void {
  if (detection.level !== 'full') return
  const how = `The scope ${opened === undefined ? 'was closed here' : 'closes with the body run here'}.`
  closings.set(scope, { how, site: opened ?? siteHere(noteClosing) })
}

/** An error whose stack is that place. */
export function closingOf(scope: object): Error | undefined {
  const closing = closings.get(scope)
  if (closing === undefined) return undefined
  const error = new Error(closing.how)
  const frames = closing.site.split('\n').map((line) => `    ${line}`)
  error.stack = [`Error: ${closing.how}`, ...frames].join('\n')
  return error
}

/**
 * One line for each frame, innermost first.
 * @param below the function of ours that is called by those that may be of the program
 */
export function siteHere(below: Function): string {
  const limit = depth + ownDepth
  const positions = stackBelow(below, limit, positionsOf)
  return (
    sites.get(positions) ?? remember(positions, framesOf(stackBelow(below, limit, hookOfProgram())))
  )
}

/** Bun knows lines and columns only, whatever the types say. */
function positionOf(frame: Partial<NodeJS.CallSite>): string | number {
  return frame.getPosition?.() ?? `${frame.getLineNumber?.()},${frame.getColumnNumber?.()}`
}

/** Which place it is, without lines, columns and names, which cost. */
function positionsOf(_error: Error, frames: readonly NodeJS.CallSite[]): string {
  let positions = ''
  for (const frame of frames) {
    positions += `${numberOf(frame.getScriptNameOrSourceURL())}:${positionOf(frame)} `
  }
  return positions
}

function numberOf(script: string | null): number {
  const known = scripts.get(script)
  if (known !== undefined) return known
  scripts.set(script, scripts.size)
  return scripts.size - 1
}

function remember(positions: string, frames: string): string {
  const [oldest] = sites.size < remembered ? [] : sites.keys()
  if (oldest !== undefined) sites.delete(oldest)
  const site = frames === '' ? 'outside of every file of the program' : frames
  sites.set(positions, site)
  return site
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
