/** How many turns of the microtask queue disposing an `AsyncDisposableStack` of `unwind/stack` takes. */
import assert from 'node:assert/strict'
import { disposable, same, turnsOf } from '../support/stacks.ts'

type Fill = (stack: AsyncDisposableStack) => unknown

const nothing = async (): Promise<void> => {}
const turns: readonly (readonly [promise: string, turns: number, fill: Fill])[] = [
  ['nothing takes one turn', 1, () => {}],
  ['one resource takes two', 2, (stack) => stack.defer(nothing)],
  ['three resources take four', 4, (stack) => times(3, () => stack.defer(nothing))],
  ['null takes two', 2, (stack) => stack.use(null)],
  [
    'three times null or undefined takes two',
    2,
    (stack) => times(3, (i) => stack.use(i ? null : undefined)),
  ],
  ['null beside a resource takes no more than the resource', 2, (stack) => mix(stack)],
  ['a sync disposer takes two', 2, (stack) => stack.use(disposable('sync', []))],
  ['a sync disposer that throws takes two', 2, (stack) => stack.use({ [Symbol.dispose]: bad })],
  ['an async disposer that throws instead of rejecting takes one', 1, (stack) => stack.defer(bad)],
  ['null after such a one takes a second', 2, (stack) => (stack.use(null), stack.defer(bad))],
  [
    'three that throw instead of rejecting take one',
    1,
    (stack) => times(3, () => stack.defer(bad)),
  ],
]

for (const [promise, expected, fill] of turns) {
  same(`disposing: ${promise}`, async ({ AsyncDisposableStack }) => {
    const stack = new AsyncDisposableStack()
    fill(stack)
    const taken = await turnsOf(stack.disposeAsync())
    assert.equal(taken, expected)
    return taken
  })
}

function mix(stack: AsyncDisposableStack): void {
  stack.use(null)
  stack.defer(nothing)
  stack.use(undefined)
}

function times(count: number, act: (index: number) => unknown): void {
  for (let index = 0; index < count; index++) act(index)
}

function bad(): never {
  throw new Error('bad')
}
