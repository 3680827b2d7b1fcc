/** docs/guide/frameworks.md: tRPC, on its standalone adapter. */
import { createServer } from 'node:http'
import { initTRPC } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { createApp, currentScope, inject, resource, type Scope } from 'unwind'
import { listen, scoped } from 'unwind/http'

const session = resource({
  name: 'session',
  acquire: ({ scope }) => ({ of: scope.name }),
  release: (_session, { status }) => console.log('released:', status),
})
const app = createApp()
// #region trpc
const { procedure, router } = initTRPC.context<{ scope: Scope }>().create()
const listener = createHTTPHandler({
  router: router({
    order: procedure.query(({ ctx }) => ctx.scope.get(session)),
    deep: procedure.query(async () => await inject(session)), // a batch is one request, and one scope
  }),
  createContext: () => ({ scope: currentScope() }),
})
const server = createServer(scoped(app, listener))
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
// #endregion
console.log(await (await fetch(`${listening.url}/order,deep?batch=1`)).text())
await app.shutdown()
