/** Programs of scopes at random: small plans, which fast-check makes and makes smaller. */
import fc from 'fast-check'
import type { Lifetime, Scope } from 'unwind'

/** How something ends: at once or a few turns later, well or with an error. */
export type Ending = 'ok' | 'throws' | 'slow' | 'slow, throws'
/** What a release does beside that: it uses its scope, which is closing. */
export type Meddling = 'gets' | 'defers' | 'closes' | 'aborts' | 'runs'

export interface Release {
  readonly release: Ending
  readonly meddles?: Meddling | undefined
}

export interface ResourcePlan extends Release {
  readonly lifetime: Lifetime
  readonly form: 'functions' | 'generator'
  /** What it asks for first: some of the resources before it. */
  readonly needs: readonly number[]
  readonly acquire: Ending | 'never'
}

export interface RunOptions {
  readonly kind?: 'request' | undefined
  /** Aborted after so many turns. */
  readonly abortAt?: number | undefined
  /** One resource, and what stands for it here, which may ask for the original. */
  readonly override?: { readonly of: number; readonly by: ResourcePlan } | undefined
}

/** What is done with the scope itself. */
export type Act = 'abort' | 'fail' | 'complete' | 'throw' | 'close' | 'close the app'

/** What a listener does that hears of an abort, or of the shutdown. */
export type Closing = 'its scope' | 'the one around it' | 'the app' | 'the app in order'

export type Step = { readonly caught: boolean } & (
  | { readonly does: 'get'; readonly resource: number; readonly giveUpAt?: number | undefined }
  | (Release & { readonly does: 'use' | 'adopt' | 'defer' })
  | { readonly does: 'run'; readonly options: RunOptions; readonly steps: readonly Step[] }
  | { readonly does: 'child'; readonly leaves: 'open' | 'closed'; readonly steps: readonly Step[] }
  | { readonly does: 'fork'; readonly waits: boolean; readonly steps: readonly Step[] }
  | { readonly does: 'detach' | 'enter'; readonly steps: readonly Step[] }
  | { readonly does: 'all' | 'both'; readonly parts: readonly (readonly Step[])[] }
  | {
      readonly does: 'stream'
      readonly reads: 'all' | 'one' | 'none' | 'later'
      readonly source: Ending
    }
  | { readonly does: 'listen'; readonly to: 'signal' | 'draining'; readonly closes: Closing }
  | { readonly does: 'end'; readonly how: Act }
  | { readonly does: 'wait'; readonly turns: number }
)

export type Steps = readonly Step[]
export type Does<D extends Step['does']> = Extract<Step, { readonly does: D }>

export interface Plan {
  readonly resources: readonly ResourcePlan[]
  readonly requests: readonly (readonly Step[])[]
  /** After so many turns; otherwise the app closes when everything is done. */
  readonly shutdownAt: number | undefined
}

const ending = fc.constantFrom<Ending>('ok', 'ok', 'slow', 'throws', 'slow, throws')
const meddles = maybe(fc.constantFrom<Meddling>('gets', 'defers', 'closes', 'aborts', 'runs'))
const turns = fc.nat(12)
const count = 4

const resource: fc.Arbitrary<ResourcePlan> = fc.record({
  lifetime: fc.constantFrom<Lifetime>('request', 'scope', 'app', 'transient'),
  form: fc.constantFrom('functions', 'generator'),
  needs: fc.uniqueArray(fc.nat(count - 1), { maxLength: 2 }),
  acquire: fc.oneof(
    { weight: 9, arbitrary: ending },
    { weight: 1, arbitrary: fc.constant('never' as const) },
  ),
  release: ending,
  meddles,
})

const options: fc.Arbitrary<RunOptions> = fc.record({
  kind: maybe(fc.constant('request' as const)),
  abortAt: maybe(turns),
  override: maybe(fc.record({ of: fc.nat(count - 1), by: resource })),
})

const { steps } = fc.letrec<{ step: Step; steps: Step[] }>((tie) => {
  const caught = fc.boolean()
  const inner = tie('steps')
  const is = <D extends string>(...does: D[]): fc.Arbitrary<D> => fc.constantFrom(...does)
  const parts = fc.array(inner, { minLength: 1, maxLength: 3 })
  return {
    steps: fc.array(tie('step'), { maxLength: 5 }),
    step: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 2, arbitrary: fc.record({ does: is('wait'), turns, caught }) },
      {
        weight: 5,
        arbitrary: fc.record({
          does: is('get'),
          resource: fc.nat(count - 1),
          giveUpAt: maybe(turns),
          caught,
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          does: is('use', 'adopt', 'defer'),
          release: ending,
          meddles,
          caught,
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          does: is('stream'),
          reads: is('all', 'one', 'none', 'later'),
          source: ending,
          caught,
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          does: is('end'),
          how: is<Act>('abort', 'fail', 'complete', 'throw', 'close', 'close the app'),
          caught,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          does: is('listen'),
          to: is('signal', 'draining'),
          closes: is<Closing>('its scope', 'the one around it', 'the app', 'the app in order'),
          caught,
        }),
      },
      { weight: 5, arbitrary: fc.record({ does: is('run'), options, steps: inner, caught }) },
      {
        weight: 2,
        arbitrary: fc.record({
          does: is('child'),
          leaves: is('open', 'closed'),
          steps: inner,
          caught,
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ does: is('fork'), waits: fc.boolean(), steps: inner, caught }),
      },
      { weight: 1, arbitrary: fc.record({ does: is('detach', 'enter'), steps: inner, caught }) },
      { weight: 2, arbitrary: fc.record({ does: is('all', 'both'), parts, caught }) },
    ),
  }
})

export const plan: fc.Arbitrary<Plan> = fc.record({
  resources: fc.array(resource, { minLength: count, maxLength: count }),
  requests: fc.array(steps, { minLength: 1, maxLength: 3 }),
  shutdownAt: maybe(turns),
})

function maybe<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined, freq: 3 })
}

/** The scope that a listener in `scope` closes. */
export function targetOf(scope: Scope, app: Scope, closes: Closing): Scope {
  if (closes === 'its scope') return scope
  return closes === 'the one around it' ? (scope.parent ?? scope) : app
}
