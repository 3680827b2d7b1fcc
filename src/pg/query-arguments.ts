/** What `query()` was given, checked at the door. */
import { abortSignal, checkOptions, expected } from '../core/options.ts'
import type { PgQueryConfig, PgQueryOptions } from './types.ts'

/** What `query` was given, in either of its forms. */
interface Query {
  readonly text: string | PgQueryConfig
  readonly values: readonly unknown[] | undefined
  readonly signal: AbortSignal | undefined
}

/** @throws {TypeError} for what is no statement, and for wrong options */
export function parseQuery(first: unknown, second: unknown, third: unknown): Query {
  if (typeof first === 'string') {
    return { text: first, values: checkValues(second, 'query()'), signal: checkSignal(third) }
  }
  return { text: checkConfig(first), values: undefined, signal: checkSignal(second) }
}

/** @throws {TypeError} naming `where` */
export function checkValues(values: unknown, where: string): readonly unknown[] | undefined {
  if (values === undefined || values === null) return undefined
  if (isArray(values)) return values
  throw expected(`the values of ${where}`, 'an array', values)
}

/** The driver would find out when half of the statement is sent, and its connection would wait for ever. */
function checkName(name: unknown): void {
  if (typeof name === 'string' || name === undefined || name === null) return
  throw expected('the `name` of the statement given to query()', 'a string', name)
}

function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function checkConfig(config: unknown): PgQueryConfig {
  const named = typeof config === 'object' && config !== null && 'text' in config
  if (named && typeof config.text === 'string' && !('submit' in config)) {
    if ('values' in config) checkValues(config.values, 'query()')
    if ('name' in config) checkName(config.name)
    // `text` was just seen to be there; the driver checks the rest.
    const { text, values, name, rowMode, types } = config as PgQueryConfig & {
      types?: Types | null
    }
    // A copy, because older drivers write into what they are given; what a class defines is not copied by itself.
    const copy = { ...config, text, values, name, rowMode } as PgQueryConfig
    return types ? { ...copy, ...withTypes(types) } : copy
  }
  throw expected(
    'the statement given to query()',
    'a string or { text, values? }; for the classes of the driver there is unsafeClient()',
    config,
  )
}

/** How the driver reads values, for one statement. */
export interface Types {
  getTypeParser(type: number, format: string): (value: unknown) => unknown
}

/** The driver asks it where the socket is read, and what is thrown there ends the process; a parser may throw. */
export function withTypes(types: Types): { readonly types: Types } {
  const getTypeParser: Types['getTypeParser'] = (type, format) => {
    try {
      return types.getTypeParser(type, format)
    } catch (error) {
      return () => {
        throw error
      }
    }
  }
  return { types: { getTypeParser } }
}

function checkSignal(options: unknown): AbortSignal | undefined {
  if (options === undefined) return undefined
  checkOptions('query()', options, { signal: abortSignal })
  // Just checked.
  return (options as PgQueryOptions).signal
}

export function sqlOf(text: string | PgQueryConfig): string {
  return typeof text === 'string' ? text : text.text
}
