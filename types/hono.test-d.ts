import { Hono } from 'hono'
import type { serve } from '@hono/node-server'
import type { App, Scope } from 'unwind'
import { honoFetch, honoScope, type HonoLike } from 'unwind/hono'
import { expectAssignable, expectError, expectType } from 'tsd'

declare const app: App
const hono = new Hono()

expectAssignable<HonoLike>(hono)
const fetch = honoFetch(app, hono, { timeout: 1_000, closeAt: 'answer' })
expectType<Response | Promise<Response>>(fetch(new Request('http://localhost/')))
expectAssignable<Parameters<typeof serve>[0]['fetch']>(fetch)
expectAssignable<HonoLike>(new Hono<{ Bindings: { region: string } }>())
expectError(honoFetch(hono, app))
expectError(honoFetch(app, hono, { closeAt: 'flushed' }))

hono.use(honoScope(app, { timeout: 1_000 }))
hono.get('/', (c) => {
  expectType<Scope>(c.var.scope)
  expectType<Scope>(c.get('scope'))
  return c.text(c.var.scope.name)
})
expectError(honoScope(hono))
