/** A request that holds one connection, as it is written by hand, and through `unwind`. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createApp, type App } from 'unwind'
import { Connection } from './connection.ts'

const storage = new AsyncLocalStorage<{ readonly id: number }>()
let requests = 0

export const app: App = createApp({ name: 'bench' })

/** Run `body` in a context of its own. */
export function inContext<R>(body: () => R): R {
  return storage.run({ id: ++requests }, body)
}

export function byHand(): Promise<number> {
  return storage.run({ id: ++requests }, async () => {
    const connection = new Connection()
    try {
      return connection.answer()
    } finally {
      await connection[Symbol.asyncDispose]()
    }
  })
}

export function scoped(): Promise<number> {
  return app.run(async (scope) => scope.use(new Connection()).answer())
}
