/** Runs what stands in `examples/` as a user does: as a process of its own, on the Node.js of the tests. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** The first match of `pattern` on standard output; rejects where the process ends without one. */
  printed(pattern: RegExp): Promise<RegExpExecArray>
}

export interface RunOptions {
  readonly cwd?: string
  readonly databaseUrl?: string
}

/** @param name such as `shop/main`, without its extension: sources run sources, and what is compiled what is compiled */
export function startExample(
  name: string,
  words: readonly string[] = [],
  { cwd, databaseUrl = '' }: RunOptions = {},
): Running {
  const file = new URL(`../../../examples/${name}${extname(import.meta.url)}`, import.meta.url)
  const child = spawn(process.execPath, [fileURLToPath(file), ...words], {
    ...(cwd !== undefined && { cwd }),
    env: { ...process.env, DATABASE_URL: databaseUrl, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out = collect(child.stdout)
  const err = collect(child.stderr)
  const ended = once(child, 'close').then(([code, signal]) => {
    return { code, signal, out: out.text, err: err.text }
  })
  return { child, ended, printed: (pattern) => search(pattern, child, out) }
}

export function runExample(
  name: string,
  words?: readonly string[],
  options?: RunOptions,
): Promise<Ended> {
  return startExample(name, words, options).ended
}

interface Collected {
  text: string
}

function collect(stream: NodeJS.ReadableStream): Collected {
  const collected = { text: '' }
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    collected.text += chunk
  })
  return collected
}

function search(pattern: RegExp, child: ChildProcess, out: Collected): Promise<RegExpExecArray> {
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
  const look = (): void => {
    const match = pattern.exec(out.text)
    if (match !== null) resolve(match)
  }
  look()
  child.stdout?.on('data', look)
  child.once('close', () =>
    reject(new Error(`It ended before it printed ${pattern}:\n${out.text}`)),
  )
  return promise
}
