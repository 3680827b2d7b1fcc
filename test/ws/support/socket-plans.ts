/** Programs of sockets at random: small plans of what both ends do, which fast-check makes and makes smaller. */
import fc from 'fast-check'
import type { SocketOptions } from 'unwind/ws'

/** What either end does. */
type Common =
  | {
      readonly does: 'send'
      readonly count: number
      readonly size: number
      readonly binary: boolean
      readonly waits: boolean
    }
  | { readonly does: 'read'; readonly count: number }
  | { readonly does: 'wait'; readonly turns: number }
  | { readonly does: 'close'; readonly code: number; readonly reason: string }
  | { readonly does: 'dispose'; readonly times: number }

export type HandlerStep =
  | Common
  | { readonly does: 'each' }
  | { readonly does: 'end'; readonly how: 'throw' | 'abort' | 'task' | 'release' | 'close' }

export type ClientStep =
  | Common
  | { readonly does: 'pause'; readonly turns: number }
  | { readonly does: 'ping' }
  /** Bytes that no driver would send. */
  | { readonly does: 'frame'; readonly hex: string }
  | { readonly does: 'cut'; readonly how: 'terminate' | 'reset' | 'half' }

export interface ClientPlan {
  readonly kind: 'ours' | 'driver' | 'raw'
  /** Gives up connecting after so many turns. */
  readonly abortAt: number | undefined
  readonly steps: readonly ClientStep[]
  readonly handler: readonly HandlerStep[]
}

export type End = 'dispose' | 'twice' | 'shutdown' | 'close the app' | 'close the server' | 'all'

export interface Plan {
  readonly options: Required<SocketOptions>
  readonly deflate: boolean
  readonly place: 'port' | 'server' | 'upgrade'
  readonly tracking: boolean
  readonly clients: readonly ClientPlan[]
  readonly endAt: number
  readonly end: End
}

/** Longer than any program may take: nothing is terminated for it. */
export const endless = 20_000

const is = <D extends string>(...does: D[]): fc.Arbitrary<D> => fc.constantFrom(...does)
const turns = fc.nat(15)

const send = fc.record({
  does: is('send'),
  count: fc.integer({ min: 1, max: 8 }),
  size: fc.constantFrom(0, 0, 50, 3_000, 150_000),
  binary: fc.boolean(),
  waits: fc.boolean(),
})

const close = fc.record({
  does: is('close'),
  code: fc.constantFrom(1000, 1001, 1011, 1014, 3000, 4999, 999, 1005, 1006, 5000),
  reason: fc.constantFrom('', 'bye', 'é'.repeat(70)),
})

const common: fc.WeightedArbitrary<Common>[] = [
  { weight: 8, arbitrary: send },
  { weight: 2, arbitrary: fc.record({ does: is('read'), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ does: is('wait'), turns }) },
  { weight: 2, arbitrary: close },
  {
    weight: 1,
    arbitrary: fc.record({ does: is('dispose'), times: fc.integer({ min: 1, max: 2 }) }),
  },
]

const handlerStep: fc.Arbitrary<HandlerStep> = fc.oneof(
  ...common,
  { weight: 4, arbitrary: fc.record({ does: is('each') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: is('end'),
      how: is('throw', 'abort', 'task', 'release', 'close'),
    }),
  },
)

const frames = [
  ['a close frame', '88820000000003e8'],
  ['one without a code', '888000000000'],
  ['half a frame', '81fe'],
  ['a pong that nobody asked for', '8a8000000000'],
  ['too long', '82ff000000000100000000000000'],
  ['not masked', '810161'],
  ['a reserved bit', 'b1810000000061'],
  ['no UTF-8', '818100000000ff'],
  ['goes on with nothing', '80810000000061'],
  ['a code that is none', '88820000000003e7'],
  ['no frame at all', 'ffffffffffffffff'],
] as const

const clientStep: fc.Arbitrary<ClientStep> = fc.oneof(
  ...common,
  { weight: 2, arbitrary: fc.record({ does: is('pause'), turns }) },
  { weight: 1, arbitrary: fc.record({ does: is('ping') }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...frames).map(([, hex]) => ({ does: 'frame' as const, hex })),
  },
  { weight: 1, arbitrary: fc.record({ does: is('cut'), how: is('terminate', 'reset', 'half') }) },
)

const client: fc.Arbitrary<ClientPlan> = fc.record({
  kind: is('ours', 'ours', 'driver', 'raw'),
  abortAt: fc.oneof(
    { weight: 7, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.nat(8) },
  ),
  steps: fc.array(clientStep, { maxLength: 5 }),
  handler: fc.array(handlerStep, { maxLength: 5 }),
})

const roomy = 16 * 1024 * 1024

function options(
  graces: readonly number[],
  heartbeats: readonly number[],
  sizes: readonly number[],
): fc.Arbitrary<Required<SocketOptions>> {
  return fc.record({
    grace: fc.constantFrom(...graces),
    heartbeat: fc.constantFrom(...heartbeats),
    highWater: fc.constantFrom(1, 2, 64),
    maxBuffered: fc.constantFrom(...sizes),
  })
}

export const plan: fc.Arbitrary<Plan> = fc.record({
  options: fc.oneof(
    { weight: 2, arbitrary: options([endless], [0], [roomy]) },
    { weight: 1, arbitrary: options([endless, 10, 0], [0, 4], [roomy, 20_000]) },
  ),
  deflate: fc.boolean(),
  place: is('port', 'server', 'upgrade'),
  tracking: fc.constantFrom(true, true, true, false),
  clients: fc.array(client, { minLength: 1, maxLength: 3 }),
  endAt: fc.oneof(fc.nat(20), fc.integer({ min: 20, max: 150 }), fc.constant(200)),
  end: is('dispose', 'twice', 'shutdown', 'close the app', 'close the server', 'all'),
})
