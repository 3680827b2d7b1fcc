/** What cannot be served is refused where it is given, and not by its first request. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'

import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createApp } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch } from 'unwind/hono'
import { graceful, handle, listen } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { rejection } from '../core/support/promises.ts'

test('graceful() and listen() want a server, not what is to be served', async () => {
  await using app = createApp()
  const wanted = /second argument of (?:graceful|listen)\(\) to be a server of http.*createServer/
  for (const given of [undefined, {}, express(), handle(app, () => ''), Fastify()]) {
    assert.throws(() => graceful(app, given as never), wanted)
    assert.match(String(await rejection(listen(app, given as never, { port: 0 }))), wanted)
  }
})

test('listen() without options says that it needs a port', async () => {
  await using app = createApp()
  const error = await rejection(listen(app, createServer(), undefined as never))
  assert.match(
    String(error),
    /options of listen\(\) to be there, with a `port`, received undefined/,
  )
})

test('koaListener() wants the app of Koa, not its callback', async () => {
  await using app = createApp()
  for (const given of [undefined, {}, new Koa().callback()]) {
    assert.throws(() => koaListener(app, given as never), /to be a Koa app, not its callback\(\)/)
  }
})

test('honoFetch() wants the app of Hono, not its fetch', async () => {
  await using app = createApp()
  for (const given of [undefined, {}, new Hono().fetch]) {
    assert.throws(() => honoFetch(app, given as never), /to be a Hono app, not its fetch/)
  }
})

test('fastifyScope that is called and not registered says how it is registered', async () => {
  await using app = createApp()
  const call = fastifyScope as (...given: unknown[]) => Promise<void>
  for (const given of [[app], [undefined, { app }], [Fastify()]]) {
    assert.match(
      String(await rejection(call(...given))),
      /TypeError: .*register\(fastifyScope, \{ app/,
    )
  }
})

test('fastifyScope wants its app among its options', async () => {
  const fastify = Fastify()
  const error = await rejection(Promise.resolve(fastify.register(fastifyScope, {} as never)))
  assert.match(String(error), /option `app` of fastifyScope to be an app/)
  await fastify.close()
})
