/**
 * The request contexts that people use, each with the hand-written `try` and `finally` that they all leave to their users:
 * none of them releases anything.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { requestContext, asyncLocalStorage } from '@fastify/request-context'
import { Context, Effect } from 'effect'
import { ClsServiceManager, type ClsStore } from 'nestjs-cls'
import { createContext } from 'unctx'
import type { Case } from '../harness.ts'
import { answered, Connection } from '../support/connection.ts'
import { throughAwilix } from './containers.ts'

declare module '@fastify/request-context' {
  interface RequestContextData {
    connection: Connection
  }
}

const storage = new AsyncLocalStorage<{ readonly id: number }>()
const cls = ClsServiceManager.getClsService<{ id: number } & ClsStore>()
const unctx = createContext<{ readonly id: number }>({ asyncContext: true, AsyncLocalStorage })
let requests = 0

export function contexts(): Case[] {
  return [
    { name: 'nestjs-cls: run + try/finally', operation: throughCls, check: answered },
    {
      name: '@fastify/request-context + try/finally',
      operation: throughRequestContext,
      check: answered,
    },
    { name: 'unctx: callAsync + try/finally', operation: throughUnctx, check: answered },
    { name: 'awilix: a scope in als.run', operation: throughAwilixInStorage, check: answered },
    { name: 'effect: scoped + provideService', operation: throughEffect, check: answered },
  ]
}

async function holding(): Promise<number> {
  const connection = new Connection()
  try {
    return connection.answer()
  } finally {
    await connection[Symbol.asyncDispose]()
  }
}

function throughCls(): Promise<number> {
  return cls.run(async () => {
    cls.set('id', ++requests)
    return await holding()
  })
}

function throughRequestContext(): Promise<number> {
  // What its hook does for each request: a store, and the route handler in it.
  return asyncLocalStorage.run(Object.create(null) as never, async () => {
    const connection = new Connection()
    requestContext.set('connection', connection)
    try {
      return requestContext.get('connection')?.answer() ?? 0
    } finally {
      await connection[Symbol.asyncDispose]()
    }
  })
}

function throughUnctx(): Promise<number> {
  return unctx.callAsync({ id: ++requests }, holding)
}

function throughAwilixInStorage(): Promise<number> {
  return storage.run({ id: ++requests }, throughAwilix)
}

class Request extends Context.Service<Request, { readonly id: number }>()('Request') {}

const acquired = Effect.acquireRelease(
  Effect.sync(() => new Connection()),
  (connection) => Effect.promise(() => connection[Symbol.asyncDispose]()),
)

function throughEffect(): Promise<number> {
  const program = Effect.scoped(Effect.map(acquired, (connection) => connection.answer()))
  return Effect.runPromise(Effect.provideService(program, Request, { id: ++requests }))
}
