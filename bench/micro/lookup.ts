/**
 * What does it cost to look something up inside an open scope: the scope itself, and a resource that is there already?
 * Baseline: `AsyncLocalStorage.getStore()`. Only the call counts, not the `await` of what it gives.
 */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { createApp, currentScope, inject, resource, tryCurrentScope } from 'unwind'
import type { Suite } from '../harness.ts'

const storage = new AsyncLocalStorage<object>()
const store = {}
const app = createApp({ name: 'bench' })
const answer = resource({ name: 'answer', lifetime: 'app', acquire: () => ({ answer: 42 }) })
const perRequest = resource({ name: 'per request', acquire: () => ({ answer: 42 }) })
const byHand = new Map<object, Promise<unknown>>()

export async function open(): Promise<Suite> {
  const scope = app.child({ name: 'lookup' })
  const inScope = <R>(batch: () => R): R => scope.enter(batch)
  const isScope = (found: unknown): void => assert.equal(found, scope)
  await scope.get(answer)
  await scope.get(perRequest)
  byHand.set(answer, Promise.resolve({ answer: 42 }))
  return {
    question: 'What does it cost to look up the scope, or a resource that is there already?',
    baseline: {
      name: 'als.getStore()',
      sync: true,
      operation: () => storage.getStore(),
      within: (batch) => storage.run(store, batch),
      check: (found) => assert.equal(found, store),
    },
    cases: [
      {
        name: 'currentScope()',
        sync: true,
        operation: () => currentScope(),
        within: inScope,
        check: isScope,
      },
      {
        name: 'tryCurrentScope()',
        sync: true,
        operation: () => tryCurrentScope(),
        within: inScope,
        check: isScope,
      },
      {
        name: 'map.get(key)',
        sync: true,
        operation: () => byHand.get(answer),
        check: isPromise,
      },
      {
        name: 'scope.get, of the request',
        sync: true,
        operation: () => scope.get(perRequest),
        check: isPromise,
      },
      {
        name: 'scope.get, of the app',
        sync: true,
        operation: () => scope.get(answer),
        check: isPromise,
      },
      {
        name: 'inject, of the request',
        sync: true,
        operation: () => inject(perRequest),
        within: inScope,
        check: isPromise,
      },
    ],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

function isPromise(found: unknown): void {
  assert.ok(found instanceof Promise)
}
