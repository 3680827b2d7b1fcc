/**
 * What does it cost to open and close a request scope that holds one resource?
 * Baseline: what people write by hand, `AsyncLocalStorage.run` with `try` and `finally`, around a resource that is
 * released asynchronously. The same work by hand stands above each further way through `unwind`.
 */
import { resource } from 'unwind'
import type { Case, Suite } from '../harness.ts'
import { answered, Connection, Handle } from '../support/connection.ts'
import { nativeUsing } from '../support/native.ts'
import { app, byHand, inContext, scoped } from '../support/request.ts'

const connection = resource({
  name: 'connection',
  acquire: async () => new Connection(),
  release: async (held) => held.end(),
})

export function open(): Suite {
  return {
    question: 'What does it cost to open and close a request scope that holds one resource?',
    baseline: { name: 'als.run + try/finally', operation: byHand, check: answered },
    cases: [
      { name: 'unwind: app.run + use', operation: scoped, check: answered },
      { name: 'unwind: app.run + adopt', operation: throughAdopt, check: answered },
      { name: 'unwind: app.child + use + close', operation: throughChild, check: answered },
      ...usingNatively(),
      { name: 'no context: try/finally', operation: withoutContext, check: answered },
      { name: 'sync release: als.run + try/finally', operation: syncByHand, check: answered },
      { name: 'sync release: unwind', operation: syncThroughUse, check: answered },
      { name: 'nothing held: als.run', operation: emptyByHand, check: answered },
      { name: 'nothing held: unwind', operation: emptyScope, check: answered },
      { name: 'async acquire: als.run + try/finally', operation: acquireByHand, check: answered },
      { name: 'async acquire: unwind scope.get', operation: throughGet, check: answered },
    ],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

function throughAdopt(): Promise<number> {
  return app.run(async (scope) => {
    const held = scope.adopt(new Connection(), async (adopted) => adopted.end())
    return held.answer()
  })
}

async function throughChild(): Promise<number> {
  const scope = app.child()
  try {
    const answer = scope.use(new Connection()).answer()
    scope.complete()
    return answer
  } finally {
    await scope.close()
  }
}

function usingNatively(): Case[] {
  if (nativeUsing === undefined) return []
  const { holdNatively } = nativeUsing
  const operation = (): Promise<number> => inContext(holdNatively)
  return [{ name: 'als.run + native await using', operation, check: answered }]
}

async function withoutContext(): Promise<number> {
  const held = new Connection()
  try {
    return held.answer()
  } finally {
    await held[Symbol.asyncDispose]()
  }
}

function syncByHand(): Promise<number> {
  return inContext(async () => {
    const held = new Handle()
    try {
      return held.answer()
    } finally {
      held[Symbol.dispose]()
    }
  })
}

function syncThroughUse(): Promise<number> {
  return app.run(async (scope) => {
    const held = scope.use(new Handle())
    return held.answer()
  })
}

function emptyByHand(): Promise<number> {
  return inContext(async () => 42)
}

function emptyScope(): Promise<number> {
  return app.run(async () => 42)
}

function acquireByHand(): Promise<number> {
  return inContext(async () => {
    const held = await acquire()
    try {
      return held.answer()
    } finally {
      await held[Symbol.asyncDispose]()
    }
  })
}

async function acquire(): Promise<Connection> {
  return new Connection()
}

function throughGet(): Promise<number> {
  return app.run(async (scope) => {
    const held = await scope.get(connection)
    return held.answer()
  })
}
