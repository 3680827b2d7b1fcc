/** Runs a program of stack-plans.ts on one implementation of the stacks, and writes down everything that can be seen. */
import type * as ours from 'unwind/stack'
import type { Act, Name } from './stack-plans.ts'
import { isSuppressed } from './suppressed.ts'
import { turns, Values, type Method } from './stack-values.ts'

export type Stacks = Pick<typeof ours, 'DisposableStack' | 'AsyncDisposableStack'>

/** Either kind, with methods that take anything. */
type Stack = { readonly disposed: unknown } & {
  readonly [name in Exclude<Name, 'disposed'> | symbol]: Method
}

/** Turns after the last act: everything that can end has ended by then. */
const rest = 60
/** Turns that a disposal is waited for: it may never end. */
const patience = 20

export class Machine {
  readonly #trace: unknown[] = []
  readonly #stacks: Stack[] = []
  readonly #values: Values
  readonly #classes: Stacks
  #turn = 0

  constructor(classes: Stacks) {
    this.#classes = classes
    const note = (...what: unknown[]): void => this.#note(...what)
    this.#values = new Values({ note, perform: (act) => void this.#perform(act) })
  }

  /** Begins with a stack of each kind. */
  async run(acts: readonly Act[]): Promise<unknown[]> {
    for (const async of [false, true]) this.#make(async, false)
    let over = false
    const counted = (async () => {
      for (let left = rest; left > 0; left -= Number(over)) {
        this.#turn += 1
        await undefined
      }
    })()
    for (const act of acts) {
      const returned = this.#perform(act)
      if (act.type === 'turns') await turns(act.count)
      if ('waits' in act && act.waits) await Promise.race([settled(returned), turns(patience)])
    }
    over = true
    await counted
    return this.#trace
  }

  /** With the turn of the microtask queue in which it happens. */
  #note(...what: unknown[]): void {
    this.#trace.push([this.#turn, ...what])
  }

  #perform(act: Act): unknown {
    try {
      const returned = this.#act(act)
      this.#note(act.type, 'returned', this.#values.seen(returned))
      if (returned instanceof Promise) this.#watch(returned)
      return returned
    } catch (error) {
      this.#note(act.type, 'threw', this.#error(error))
      return undefined
    }
  }

  #act(act: Act): unknown {
    if (act.type === 'turns') return undefined
    if (act.type === 'make') return this.#make(act.async, act.subclass)
    if (act.type === 'borrow') return this.#borrow(act.stack, act.receiver, act.name)
    const stack = this.#stack(act.stack)
    const isAsync = Reflect.has(stack, 'disposeAsync')
    switch (act.type) {
      case 'use':
        return stack.use(this.#values.make(act.value))
      case 'adopt':
        return stack.adopt(
          this.#values.make(act.value),
          this.#values.find(act.by, 'of an adopted one'),
        )
      case 'defer':
        return stack.defer(this.#values.find(act.by, 'deferred'))
      case 'move':
        return this.#keep(stack.move() as Stack, act.stack)
      case 'disposed':
        return stack.disposed
      case 'dispose':
        return isAsync ? stack.disposeAsync() : stack.dispose()
      case 'dispose by symbol':
      default:
        return stack[isAsync ? Symbol.asyncDispose : Symbol.dispose]?.()
    }
  }

  #make(async: boolean, subclass: boolean): Stack {
    const { DisposableStack, AsyncDisposableStack } = this.#classes
    const base: new () => object = async ? AsyncDisposableStack : DisposableStack
    // They have the methods of their kind.
    return this.#keep(new (subclass ? class extends base {} : base)() as Stack)
  }

  #keep(stack: Stack, at = this.#stacks.length % 4): Stack {
    const { DisposableStack, AsyncDisposableStack } = this.#classes
    const prototype: unknown = Object.getPrototypeOf(stack)
    const isOf = [DisposableStack, AsyncDisposableStack].map((one) => one.prototype === prototype)
    this.#note(...isOf, Object.prototype.toString.call(stack))
    this.#stacks[at] = this.#values.name(stack, 'stack')
    return stack
  }

  #stack(at: number): Stack {
    // The first two are always there.
    return this.#stacks[at] ?? (this.#stacks[at % 2] as Stack)
  }

  /** A method of one stack on another receiver. */
  #borrow(stack: number, at: number, name: Name): unknown {
    const prototype: object =
      this.#classes[
        'disposeAsync' in this.#stack(stack) ? 'AsyncDisposableStack' : 'DisposableStack'
      ].prototype
    const { value, get } = Object.getOwnPropertyDescriptor(prototype, name) ?? {}
    const method = (value ?? get) as Method | undefined
    const others = [undefined, null, 1, {}, new Proxy(this.#stack(0), {})]
    const receiver = at < others.length ? others[at] : this.#stack(at - others.length)
    return method?.call(receiver, null, () => this.#note('called'))
  }

  #watch(promise: Promise<unknown>): void {
    const name = this.#values.nameOf(this.#values.name(promise, 'promise'))
    this.#note(name, Object.getPrototypeOf(promise) === Promise.prototype)
    promise.then(
      (value) => this.#note(name, 'fulfilled', value),
      (error: unknown) => this.#note(name, 'rejected', this.#error(error)),
    )
  }

  /** Of what neither the program threw nor the standard describes, only the kind counts: ours say more. */
  #error(error: unknown): unknown {
    if (this.#values.nameOf(error) !== undefined) return this.#values.nameOf(error)
    if (!isSuppressed(error)) return error instanceof Error ? error.constructor : error
    const inner = { error: this.#error(error.error), suppressed: this.#error(error.suppressed) }
    return { keys: Reflect.ownKeys(error), message: error.message, ...inner }
  }
}

async function settled(returned: unknown): Promise<void> {
  await Promise.allSettled([returned])
}
