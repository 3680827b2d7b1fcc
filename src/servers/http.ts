/**
 * `unwind/http`: one scope for each request of a Node.js server, and servers that close without cutting anybody off.
 */
export type { AdapterOptions } from './adapter.ts'
export type { AnyServer } from './connections.ts'
export { graceful, type GracefulOptions } from './graceful.ts'
export { handle, type HandleOptions } from './handle.ts'
export type { Listener } from './listener.ts'
export { listen, type Listening, type ListenOptions } from './listen.ts'
export { scoped } from './scoped.ts'
