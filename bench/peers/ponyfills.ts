/**
 * The stacks of others. Each of these packages gives the native one where there is one, which has a row of its own: what
 * they do without it is asked here, so it is hidden from them while they load.
 */
interface Stack extends AsyncDisposable {
  use<T extends AsyncDisposable>(value: T): T
}

type StackClass = new () => Stack

const names = ['AsyncDisposableStack', 'DisposableStack', 'SuppressedError']
const natives = names.flatMap((name) => {
  const found = Object.getOwnPropertyDescriptor(globalThis, name)
  return found === undefined ? [] : [[name, found] as const]
})
for (const [name] of natives) Reflect.deleteProperty(globalThis, name)
const loaded = await Promise.all([
  import('@whatwg-node/disposablestack'),
  import('core-js-pure/actual/async-disposable-stack/index.js'),
  import('disposablestack/AsyncDisposableStack'),
])
for (const [name, found] of natives) Object.defineProperty(globalThis, name, found)

const [whatwg, coreJs, esShims] = loaded

export const ponyfills: Readonly<Record<string, StackClass>> = {
  '@whatwg-node/disposablestack': ownCode(whatwg.AsyncDisposableStack),
  'core-js-pure': ownCode(coreJs.default),
  'disposablestack (es-shims)': ownCode(esShims.default),
}

function ownCode(stack: StackClass): StackClass {
  if (stack.toString().includes('[native code]'))
    throw new Error(`${stack.name} is the native one.`)
  return stack
}
