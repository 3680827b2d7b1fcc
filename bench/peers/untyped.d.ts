/** Peers that bring no types: as much of them as is used here. */

declare module 'core-js-pure/actual/async-disposable-stack/index.js' {
  const Stack: typeof AsyncDisposableStack
  export default Stack
}

declare module 'disposablestack/AsyncDisposableStack' {
  const Stack: typeof AsyncDisposableStack
  export default Stack
}

declare module '@babel/core' {
  export function transformSync(
    code: string,
    options: { configFile: false; plugins: readonly string[]; sourceType: 'script' },
  ): { readonly code: string } | null
}
