/** The same work with the effect systems: acquire, use, release. */
import { Effect } from 'effect'
import { resource, run, type Operation } from 'effection'
import type { Case } from '../harness.ts'
import { answered, Connection } from '../support/connection.ts'

const acquired = Effect.acquireRelease(
  Effect.sync(() => new Connection()),
  (connection) => Effect.promise(() => connection[Symbol.asyncDispose]()),
)

export function effects(): Case[] {
  return [
    { name: 'effect: acquireRelease, scoped', operation: throughEffect, check: answered },
    { name: 'effection: resource', operation: throughEffection, check: answered },
  ]
}

function throughEffect(): Promise<number> {
  const program = Effect.scoped(Effect.map(acquired, (connection) => connection.answer()))
  return Effect.runPromise(program)
}

function throughEffection(): Promise<number> {
  return Promise.resolve(
    run(function* () {
      const connection = yield* lease()
      return connection.answer()
    }),
  )
}

function lease(): Operation<Connection> {
  return resource(function* (provide) {
    const connection = new Connection()
    try {
      yield* provide(connection)
    } finally {
      // Released synchronously: what effection waits for would only make it slower.
      connection.end()
    }
  })
}
