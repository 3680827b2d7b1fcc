import type { RequestListener } from 'node:http'
import Koa from 'koa'
import type { App, Scope } from 'unwind'
import { koaListener } from 'unwind/koa'
import { expectAssignable, expectError, expectType } from 'tsd'

declare const app: App
const koa = new Koa()

expectAssignable<RequestListener>(koaListener(app, koa))
koaListener(app, koa, { timeout: 1_000, closeAt: 'answer', abandonAfter: 100 })
expectError(koaListener(koa, app))
expectError(koaListener(app, koa, { closeAt: 'flushed' }))

koa.use((ctx) => {
  expectType<Scope>(ctx.scope)
  ctx.body = ctx.scope.name
})

interface State {
  readonly user: string
}
interface Context {
  readonly log: (text: string) => void
}
const typed = new Koa<State, Context>()
typed.use((ctx) => {
  expectType<Scope>(ctx.scope)
  ctx.log(ctx.state.user)
})
expectAssignable<RequestListener>(koaListener(app, typed))
