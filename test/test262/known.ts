/** The files of test262 that cannot pass, and why. A run fails too where one of them passes. */

const realm = 'only the engine knows the realm of a function'
const symbols =
  'the symbols of Node.js 22 are its own: registered ones, and its main realm alone has them'

const [major = 0] = process.versions.node.split('.').map(Number)

/** By path below `test/built-ins`, for the Node.js that this runs on. */
export const known: Readonly<Record<string, string>> = {
  'AsyncDisposableStack/proto-from-ctor-realm.js': realm,
  'DisposableStack/proto-from-ctor-realm.js': realm,
  // The engine's own class is handed on where there is one.
  ...('SuppressedError' in globalThis ? {} : { 'SuppressedError/proto-from-ctor-realm.js': realm }),
  ...(major > 22 ? {} : ofNode22()),
}

function ofNode22(): Record<string, string> {
  const files = ['asyncDispose', 'dispose'].flatMap((symbol) => [
    `Symbol/${symbol}/cross-realm.js`,
    `Symbol/${symbol}/no-key.js`,
  ])
  return Object.fromEntries(files.map((file) => [file, symbols]))
}
