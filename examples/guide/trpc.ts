/** docs/guide/frameworks.md: tRPC, on its standalone adapter. */
// #region trpc
import { createServer } from 'node:http'
import { initTRPC } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { createApp, currentScope, inject, type Scope } from 'unwind'
import { listen, scoped } from 'unwind/http'
import { session } from '../session.ts'

const app = createApp()
const { procedure, router } = initTRPC.context<{ scope: Scope }>().create()
const committed = procedure.use(({ ctx, next, path }) =>
  ctx.scope.run({ kind: 'request', name: path }, async (own) => {
    const result = await next()
    if (!result.ok) own.fail(result.error) // or it would be committed
    return result
  }),
)
const listener = createHTTPHandler({
  router: router({
    order: procedure.query(({ ctx }) => ctx.scope.get(session)),
    deep: procedure.query(async () => await inject(session)), // a batch is one request, and one scope
    place: committed.mutation(async () => await inject(session)), // a scope of its own
  }),
  createContext: () => ({ scope: currentScope() }),
})
const server = createServer(scoped(app, listener))
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
// #endregion
console.log(await (await fetch(`${listening.url}/order,deep?batch=1`)).text())
const placing = { method: 'POST', headers: { 'content-type': 'application/json' } }
console.log(await (await fetch(`${listening.url}/place`, placing)).text())
await app.shutdown()
