/** Random programs on a few stacks, as plain data: what is done, with which values, and what their disposers do. */
import fc from 'fast-check'

export type Act =
  | { readonly type: 'make'; readonly async: boolean; readonly subclass: boolean }
  | { readonly type: 'use'; readonly stack: number; readonly value: Value }
  | { readonly type: 'adopt'; readonly stack: number; readonly value: Value; readonly by: Slot }
  | { readonly type: 'defer'; readonly stack: number; readonly by: Slot }
  | { readonly type: 'move' | 'disposed'; readonly stack: number }
  | {
      readonly type: 'dispose' | 'dispose by symbol'
      readonly stack: number
      readonly waits: boolean
    }
  | {
      readonly type: 'borrow'
      readonly stack: number
      readonly receiver: number
      readonly name: Name
    }
  | { readonly type: 'turns'; readonly count: number }

export type Name = 'use' | 'adopt' | 'defer' | 'move' | 'dispose' | 'disposeAsync' | 'disposed'

export interface Value {
  readonly base: (typeof bases)[number]
  readonly sync: Slot
  readonly async: Slot
}

/** What is found where a method is looked for. */
export type Slot =
  | { readonly type: (typeof unusable)[number] }
  | { readonly type: 'method' | 'getter' | 'proxy' | 'foreign'; readonly call: Call }

/** What a method does when it is called. */
export interface Call {
  readonly acts: readonly Act[]
  readonly ending: Ending
}

export type Ending =
  | { readonly type: (typeof endings)[number] }
  | { readonly type: 'slow' | 'slow reject'; readonly turns: number }

const bases = [
  ...(['object', 'object', 'function', 'proxy', 'foreign'] as const),
  ...(['revoked', 'null', 'undefined', 'number'] as const),
] as const
const endings = [
  ...(['returns', 'throws', 'throws undefined', 'rejects', 'never'] as const),
  ...(['thenable', 'settles twice', 'bad then', 'bad constructor', 'subclass'] as const),
] as const
const names: readonly Name[] = [
  ...(['use', 'adopt', 'defer', 'move', 'dispose', 'disposeAsync', 'disposed'] as const),
]
const unusable = ['absent', 'null', 'text', 'object', 'throws', 'class'] as const
const stack = fc.nat(3)

const ending: fc.Arbitrary<Ending> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom(...endings) }) },
  fc.record({ type: fc.constantFrom('slow' as const, 'slow reject'), turns: fc.nat(4) }),
)

const disposal: fc.Arbitrary<Act> = fc.record({
  type: fc.constantFrom('dispose' as const, 'dispose by symbol'),
  stack,
  waits: fc.boolean(),
})
const plain: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ type: fc.constant('make' as const), async: fc.boolean(), subclass: fc.boolean() }),
  fc.record({ type: fc.constantFrom('move' as const, 'disposed'), stack }),
  fc.record({ type: fc.constant('turns' as const), count: fc.nat(3) }),
  fc.record({
    type: fc.constant('borrow' as const),
    stack,
    receiver: fc.nat(6),
    name: fc.constantFrom(...names),
  }),
)

interface Parts {
  acts: Act[]
  act: Act
  slot: Slot
  value: Value
}

const { acts } = fc.letrec<Parts>((tie: fc.LetrecTypedTie<Parts>) => ({
  acts: fc.array(tie('act'), { maxLength: 12, size: 'max' }),
  act: fc.oneof(
    often(6, fc.record({ type: fc.constant('use' as const), stack, value: tie('value') })),
    often(2, fc.record({ type: fc.constant('defer' as const), stack, by: tie('slot') })),
    fc.record({ type: fc.constant('adopt' as const), stack, value: tie('value'), by: tie('slot') }),
    often(2, disposal),
    plain,
  ),
  value: fc.record({ base: fc.constantFrom(...bases), sync: tie('slot'), async: tie('slot') }),
  slot: fc.oneof(
    { depthSize: 'xsmall' },
    fc.record({ type: fc.constantFrom(...unusable) }),
    often(
      4,
      fc.record({
        type: fc.constantFrom('method' as const, 'getter', 'proxy', 'foreign'),
        call: fc.record({ acts: fc.oneof(often(3, fc.constant([])), tie('acts')), ending }),
      }),
    ),
  ),
}))

export const program: fc.Arbitrary<Act[]> = acts

function often<T>(weight: number, arbitrary: fc.Arbitrary<T>): fc.WeightedArbitrary<T> {
  return { weight, arbitrary }
}
