/** The entry points, by what each of them needs besides the package. */
import { read } from '../support/repository.ts'

export interface Entry {
  /** As one imports it: `unwind/pg`. */
  readonly name: string
  /** What has to be installed before it can be loaded. */
  readonly loads: string | undefined
  /** Whose types are in its declarations. */
  readonly types: readonly string[]
}

const loads: Readonly<Record<string, string>> = { './better-sqlite3': 'better-sqlite3' }
const types: Readonly<Record<string, readonly string[]>> = {
  './express': ['@types/express'],
  './fastify': ['fastify'],
  './hono': ['hono'],
  './koa': ['@types/koa'],
}

// The file is ours, and `test/repository/exports.test.ts` looks at its shape.
const manifest = JSON.parse(read('package.json')) as { readonly exports: Readonly<object> }

export const entries: readonly Entry[] = Object.keys(manifest.exports)
  .filter((entry) => entry !== './package.json')
  .map((entry) => ({
    name: `unwind${entry.slice(1)}`,
    loads: loads[entry],
    types: types[entry] ?? [],
  }))
