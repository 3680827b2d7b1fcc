/** An app with everything that a test looks at. When the test has ended, nothing may be held and nothing unreported. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { createApp, type App, type AppOptions } from 'unwind'
import { chain } from './chain.ts'
import { within } from './promises.ts'
import { Tracker } from './tracker.ts'

export interface Unthrown {
  readonly error: unknown
  readonly scope: string
  readonly resource: string | undefined
  readonly late: boolean | undefined
}

export interface Fixture {
  readonly app: App
  readonly tracker: Tracker
  /** What went to `onError`. A test that expects something takes it out with `splice`. */
  readonly unthrown: Unthrown[]
}

export function setUp(t: TestContext, options: Omit<AppOptions, 'onError'> = {}): Fixture {
  const unthrown: Unthrown[] = []
  const tracker = new Tracker()
  const app = createApp({
    ...options,
    onError: (error, { scope, resource, late }) => {
      unthrown.push({ error, scope: scope.name, resource, late })
    },
  })
  t.after(async () => {
    await within(app.close())
    tracker.verify()
    assert.deepEqual(texts(unthrown), [], 'what could not be thrown')
  })
  return { app, tracker, unthrown }
}

/** What went to `onError`, taken out. */
export function taken(unthrown: Unthrown[]): string[] {
  return texts(unthrown.splice(0))
}

function texts(unthrown: readonly Unthrown[]): string[] {
  return unthrown.map(({ error }) => chain(error))
}
