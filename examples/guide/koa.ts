/** docs/guide/frameworks.md: Koa. */
// #region koa
import Koa from 'koa'
import { createServer } from 'node:http'
import { createApp, inject } from 'unwind'
import { listen } from 'unwind/http'
import { koaListener } from 'unwind/koa'
import { session } from '../session.ts'

const app = createApp()
const koa = new Koa()
koa.use(async (ctx) => {
  ctx.body = ctx.path === '/deep' ? await inject(session) : await ctx.scope.get(session)
})
const server = createServer(koaListener(app, koa))
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
// #endregion
for (const path of ['/orders', '/deep'])
  console.log(await (await fetch(listening.url + path)).text())
await app.shutdown()
