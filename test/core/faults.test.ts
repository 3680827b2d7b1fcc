/**
 * Every step of a request can end in every way. Whatever the combination: what was acquired is released or destroyed
 * exactly once, every wait ends within its bound, and no rejection is left unhandled.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, resource, type App, type Scope } from 'unwind'

const ways = ['ok', 'throws', 'rejects', 'slow', 'never'] as const
type Way = (typeof ways)[number]

interface Plan {
  readonly acquire: Way
  readonly body: Way
  readonly task: Way
  readonly release: Way
  readonly destroy: Way
  /** What the close of a child scope does. */
  readonly close: Way
}

/** Milliseconds: every bound of the matrix. Only that they end something matters, not when. */
const bound = 10
const forms = { run: inRun, child: inChild }

for (const [form, open] of Object.entries(forms)) {
  for (const acquire of ways) {
    test(`an acquisition that ends as "${acquire}" leaves nothing held in a ${form}, whatever else happens`, async () => {
      await Promise.all(plans(acquire).map((plan) => check(plan, open)))
    })
  }
}

function plans(acquire: Way): Plan[] {
  return ways.flatMap((body) =>
    ways.flatMap((task) =>
      ways.flatMap((close) =>
        ways.flatMap((release) =>
          // Destroying is what comes after a release that never ends.
          (release === 'never' ? ways : (['ok'] as const)).map((destroy) => {
            return { acquire, body, task, close, release, destroy }
          }),
        ),
      ),
    ),
  )
}

async function check(plan: Plan, open: (app: App, plan: Plan, held: Held) => Promise<unknown>) {
  const held = new Held()
  const app = createApp({ disposeTimeout: bound, abandonAfter: bound, onError: () => {} })
  await open(app, plan, held).catch(() => {})
  await app.close()
  await held.settled(plan)
  assert.deepEqual(held.mistakes(), [], JSON.stringify(plan))
}

/** What was acquired, and what became of it. */
class Held {
  readonly #fates: { released: number; destroyed: number }[] = []
  #arrivals: Promise<unknown> = Promise.resolve()

  resource(plan: Plan) {
    return resource({
      name: 'held',
      acquireTimeout: bound,
      acquire: () => {
        const arrival = act(plan.acquire, () => {
          const fate = { released: 0, destroyed: 0 }
          this.#fates.push(fate)
          return fate
        })
        this.#arrivals = Promise.resolve(arrival).catch(() => {})
        return arrival
      },
      release: (fate) => act(plan.release, undefined, () => (fate.released += 1)),
      destroy: (fate) => act(plan.destroy, undefined, () => (fate.destroyed += 1)),
    })
  }

  /** A value may arrive after its app has closed; it is released in the same turn. */
  async settled(plan: Plan): Promise<void> {
    if (plan.acquire !== 'never') await this.#arrivals
  }

  mistakes(): string[] {
    return this.#fates
      .filter(
        ({ released, destroyed }) => released > 1 || destroyed > 1 || released + destroyed === 0,
      )
      .map((fate) => JSON.stringify(fate))
  }
}

function inRun(app: App, plan: Plan, held: Held): Promise<unknown> {
  return app.run({ timeout: bound }, (scope) => work(scope, plan, held))
}

async function inChild(app: App, plan: Plan, held: Held): Promise<void> {
  const scope = app.child({ timeout: bound })
  try {
    // A child has no body that could be abandoned: its owner gives up.
    await Promise.race([work(scope, plan, held), aborted(scope.signal)])
    scope.complete()
  } catch (error) {
    scope.fail(error)
  }
  await scope.close()
}

async function work(scope: Scope, plan: Plan, held: Held): Promise<unknown> {
  void scope.fork(() => act(plan.task, () => 'task'))
  scope.child().defer(() => act(plan.close, () => 'closed'))
  await scope.get(held.resource(plan))
  return await act(plan.body, () => 'body')
}

/** @param begun is called at the start, however it ends */
function act<T>(way: Way, value: (() => T) | undefined, begun?: () => unknown): Promise<T> | T {
  begun?.()
  // Without a value the result is not looked at.
  const done = (): T => value?.() as T
  if (way === 'ok') return done()
  if (way === 'throws') throw new Error(way)
  if (way === 'rejects') return Promise.reject(new Error(way))
  if (way === 'never') return new Promise<T>(() => {})
  return new Promise<T>((resolve) => setImmediate(() => resolve(done())))
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
