/** Bun and Deno: how they run a test of the core, and what of the suite does not hold there, with the reason. */

export interface Runtime {
  readonly name: string
  /** From the registry of npm, in the version that this was tried with. */
  readonly package: string
  /** @param importMap where the entry points of the package are */
  words(file: string, importMap: string): string[]
  /** What the command says of how many tests passed and failed. */
  readonly passed: RegExp
  readonly failed: RegExp
  /** Files of which some tests fail: how many at most, and why. */
  readonly failures: Readonly<Record<string, { readonly count: number; readonly because: string }>>
}

/** Files that ask V8 by flags and functions of Node.js what it collects and what it costs, or run Node.js with others. */
export const ofNode: readonly string[] = [
  'costs',
  'leak-levels',
  'leaks',
  'many-leaks',
  'memory',
  'other-contexts',
  'two-copies',
]

const ownProperties =
  'its errors have own properties of their own (line, column, sourceURL), and a message'
const children = 'starts another process with flags of Node.js'
const inspect = 'its inspect() never throws'

export const runtimes: readonly Runtime[] = [
  {
    name: 'Bun',
    package: 'bun@1.4.5',
    // A test has five seconds there, if nobody says otherwise.
    words: (file) => ['test', '--timeout=60000', `./${file}`],
    passed: /^\s*(\d+) pass$/m,
    failed: /^\s*(\d+) fail$/m,
    failures: {
      'async-stack': { count: 1, because: ownProperties },
      channels: { count: 4, because: 'a TracingChannel does not publish' },
      format: { count: 1, because: 'a crash prints the message of a chain, and not its text' },
      stack: { count: 1, because: ownProperties },
      'stack-programs': {
        count: 1,
        because:
          'its native stack throws, and does not reject, for a promise of a broken constructor',
      },
      'suppressed-error': { count: 1, because: ownProperties },
      unthrown: { count: 2, because: 'standard output and error come in another order' },
    },
  },
  {
    name: 'Deno',
    package: 'deno@2.9.6',
    words: (file, importMap) => [
      'test',
      '--allow-all',
      '--no-check',
      '--no-lock',
      `--import-map=${importMap}`,
      file,
    ],
    // Of a suite it counts the steps, in brackets.
    passed: /(\d+(?= passed(?! \())|(?<=passed \()\d+)/,
    failed: /(\d+) failed/,
    failures: {
      apps: { count: 1, because: children },
      'before-exit': { count: 1, because: children },
      caching: { count: 1, because: children },
      channels: { count: 1, because: children },
      'error-json': { count: 1, because: inspect },
      followed: { count: 1, because: children },
      format: { count: 2, because: `${children}; ${inspect}` },
      hold: { count: 1, because: children },
      'mocked-timers': { count: 3, because: `${children}; timers of a test replace all` },
      'resource-channels': {
        count: 1,
        because: 'a leak is found meanwhile, and releases are timed',
      },
      sites: { count: 6, because: children },
      unthrown: { count: 20, because: children },
    },
  },
]
