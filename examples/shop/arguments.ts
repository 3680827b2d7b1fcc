/** What the command line and the environment ask for. Whatever is wrong with them is one line for people. */
import { parseArgs } from 'node:util'

export const help = `The unwind shop: orders, stock and a live feed, all of it on request scopes.

  npm start              2,000 requests and 200 sockets over loopback, then the books are checked
  npm start -- --serve   the same, and then it goes on serving until Ctrl-C
  npm start -- --serve --requests 0 --sockets 0      serves at once, without the traffic

  --requests N      requests to send (default 2000)
  --sockets N       sockets to open (default 200)
  --database PATH   the SQLite file (default shop.db); a second run goes on with the same books
  --port N          where to listen on 127.0.0.1 (default: any free port)
  --serve           keep serving after the traffic; its URLs show the feed, and what is held
  --help            this text

With DATABASE_URL=postgres://… in the environment the shop runs on PostgreSQL, in tables named
shop_*, unless --database names a file. One SQLite file serves one shop at a time.

Exit code: 0 if nothing is held and the books balance, 1 if not, 2 if it could not start,
130 if it was interrupted before its traffic was through.`

export interface Arguments {
  readonly requests: number
  readonly sockets: number
  readonly port: number
  readonly serve: boolean
  readonly database: Database
}

export type Database =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: URL }

/** Why the shop cannot start: said in one line, without a stack. */
export class StartError extends Error {}

/** @returns undefined where only the help is wanted */
export function readArguments(
  words: string[],
  databaseUrl: string | undefined,
): Arguments | undefined {
  const values = parse(words)
  if (values.help) return undefined
  return {
    requests: count('--requests', values.requests, 1_000_000),
    sockets: count('--sockets', values.sockets, 1_000_000),
    port: count('--port', values.port, 65_535),
    serve: values.serve,
    database: database(values.database, databaseUrl),
  }
}

function parse(words: string[]) {
  try {
    return parseArgs({ args: words, options, strict: true }).values
  } catch (error) {
    // Node.js goes on with advice, in more sentences.
    const [sentence] = (error as Error).message.split(/\.(?:\s|$)|\n/)
    const clear = sentence?.replace(
      'argument is ambiguous',
      'wants a value, and is followed by an option',
    )
    throw new StartError(`${clear}. Try --help.`)
  }
}

const options = {
  requests: { type: 'string', default: '2000' },
  sockets: { type: 'string', default: '200' },
  port: { type: 'string', default: '0' },
  database: { type: 'string' },
  serve: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

function count(name: string, text: string, most: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number <= most) return number
  throw new StartError(
    `${name} wants a whole number from 0 to ${most}, and was given "${text}". Try --help.`,
  )
}

/** What was typed counts more than what the environment happens to hold. */
function database(path: string | undefined, url: string | undefined): Database {
  if (path === '') throw new StartError('--database wants the path of a file. Try --help.')
  if (path !== undefined || !url) return { kind: 'sqlite', path: path ?? 'shop.db' }
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && /^postgres(ql)?:$/.test(parsed.protocol)) {
    return { kind: 'postgres', url: parsed }
  }
  throw new StartError('DATABASE_URL wants a URL such as postgres://user:password@host:5432/name.')
}
