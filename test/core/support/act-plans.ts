/** Programs of acts at random: what is done, where it is done, and to whom. */
import fc from 'fast-check'
import type { Lifetime } from 'unwind'
import type { Ending } from './scope-plans.ts'

/** Whose code it is, and thus what waits for it. */
export type Place =
  | 'a body'
  | 'a body with a deadline'
  | 'a child'
  | 'a task'
  | 'one of all'
  | 'a release'
  | 'an acquisition'
  | 'a source'
  | 'a listener of the abort'
  | 'a listener of the shutdown'
  | 'a subscriber'
  | 'a detached job'

export type Verb = 'close' | 'abort' | 'fail' | 'complete' | 'shutdown' | 'start' | 'use' | 'get'

/** `around` are the one around it, and so on; any other may be a stranger, or closed for long. */
export type Whom = 'own' | 'around' | 'the app' | 'the other app' | number

export interface Act {
  /** In which scope, seen from the act around it. */
  readonly of: Whom
  readonly place: Place
  /** What is done there first, and to whom. */
  readonly does: Verb
  readonly to: Whom
  /** What becomes of it: whoever waits may be content with any end. */
  readonly fate: 'awaited' | 'caught' | 'aside'
  readonly lifetime: Lifetime
  readonly ending: Ending
  readonly inner: readonly Act[]
}

const whom: fc.Arbitrary<Whom> = fc.oneof(
  { weight: 3, arbitrary: fc.constant('own' as const) },
  { weight: 2, arbitrary: fc.constantFrom<Whom>('around', 'the app', 'the other app') },
  { weight: 2, arbitrary: fc.nat(9) },
)

const { acts } = fc.letrec<{ acts: Act[]; act: Act }>((tie) => ({
  acts: fc.array(tie('act'), { minLength: 1, maxLength: 5 }),
  act: fc.record({
    of: whom,
    place: fc.constantFrom<Place>(
      ...(['a body', 'a body', 'a body', 'a child', 'a task', 'one of all', 'a release'] as const),
      ...([
        'a body with a deadline',
        'an acquisition',
        'a source',
        'a listener of the abort',
      ] as const),
      ...(['a listener of the shutdown', 'a subscriber', 'a detached job'] as const),
    ),
    does: fc.constantFrom<Verb>(
      ...([
        'close',
        'abort',
        'fail',
        'complete',
        'shutdown',
        'start',
        'use',
        'use',
        'get',
      ] as const),
    ),
    to: whom,
    fate: fc.constantFrom('awaited', 'caught', 'caught', 'aside'),
    lifetime: fc.constantFrom<Lifetime>('app', 'request', 'scope', 'transient'),
    ending: fc.constantFrom<Ending>('ok', 'ok', 'slow', 'throws', 'slow, throws'),
    inner: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 3, arbitrary: tie('acts') },
    ),
  }),
}))

export const program: fc.Arbitrary<readonly Act[]> = acts
