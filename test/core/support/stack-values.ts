/** The values of the programs in stack-plans.ts: objects of every kind whose methods are found and called in every way. */
import { createContext, runInContext } from 'node:vm'
import type { Act, Call, Ending, Slot, Value } from './stack-plans.ts'

export type Method = (this: unknown, ...parameters: unknown[]) => unknown

/** What a program does meanwhile, and what is seen of it. */
export interface Stage {
  note(...what: unknown[]): void
  perform(act: Act): void
}

/** Of another realm. */
const foreign = runInContext(
  '({ object: () => ({}), wrap: (call) => function () { return Reflect.apply(call, this, arguments) } })',
  createContext(),
) as { object(): object; wrap(call: Method): Method }

/** The native stacks of Node.js 24 take no method that is a proxy, against the standard. */
const refusesProxies = Number.parseInt(process.versions.node, 10) < 26

/** What is found in a slot without a method. */
const things = {
  absent: undefined,
  null: null,
  text: 'text',
  object: {},
  throws: {},
  class: class {
    readonly throws = 'because it is called without new'
  },
}

/** A program whose disposers dispose would not end. */
const mostCalls = 100

export class Values {
  readonly #stage: Stage
  readonly #names = new Map<unknown, string>()
  #calls = 0

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Known by this name from now on. */
  name<T>(value: T, kind: string): T {
    this.#names.set(value, `${kind} ${this.#names.size}`)
    return value
  }

  nameOf(value: unknown): string | undefined {
    return this.#names.get(value)
  }

  /** For comparisons between two runs, each of which has objects of its own. */
  seen(value: unknown): unknown {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return value
    return this.nameOf(value) ?? (value instanceof Promise ? 'a promise' : 'something else')
  }

  make({ base, sync, async }: Value): unknown {
    if (base === 'null') return null
    if (base === 'undefined') return undefined
    if (base === 'number') return 1
    const target = base === 'foreign' ? foreign.object() : base === 'function' ? () => {} : {}
    const label = `value ${this.#names.size}`
    this.#define(target, Symbol.dispose, sync, `${label}.dispose`)
    this.#define(target, Symbol.asyncDispose, async, `${label}.asyncDispose`)
    if (base === 'revoked') return this.name(revoked(target), 'value')
    if (base === 'proxy') return this.name(this.#watched(target, label), 'value')
    return this.name(target, 'value')
  }

  /** What is in `slot`, the disposer of something or what is given for one. */
  find(slot: Slot, label: string): unknown {
    if (!('call' in slot)) return things[slot.type]
    const method = this.#method(slot.call, label)
    if (slot.type === 'foreign') return foreign.wrap(method)
    return slot.type === 'proxy' ? this.#watched(method, label) : method
  }

  #define(target: object, key: symbol, slot: Slot, label: string): void {
    if (slot.type === 'absent') return
    if (slot.type !== 'throws' && slot.type !== 'getter') {
      const isRefused = slot.type === 'proxy' && refusesProxies
      const found = this.find(isRefused ? { ...slot, type: 'method' } : slot, label)
      Object.defineProperty(target, key, { value: found })
      return
    }
    const get = (): unknown => {
      this.#stage.note(label, 'read')
      if (slot.type === 'throws') throw this.#failure(label)
      return this.find(slot, label)
    }
    Object.defineProperty(target, key, { get })
  }

  /** Whatever is done to it is written down. */
  #watched(target: object, label: string): unknown {
    const { note } = this.#stage
    return new Proxy(target, {
      get(_target, key, receiver) {
        note(label, 'get', String(key))
        return Reflect.get(target, key, receiver) as unknown
      },
      apply(_target, receiver, parameters) {
        note(label, 'apply')
        return Reflect.apply(target as Method, receiver, parameters)
      },
      getPrototypeOf() {
        note(label, 'getPrototypeOf')
        return Reflect.getPrototypeOf(target)
      },
      getOwnPropertyDescriptor(_target, key) {
        note(label, 'getOwnPropertyDescriptor', String(key))
        return Reflect.getOwnPropertyDescriptor(target, key)
      },
      has(_target, key) {
        note(label, 'has', String(key))
        return Reflect.has(target, key)
      },
    })
  }

  #method({ acts, ending }: Call, label: string): Method {
    // oxlint-disable-next-line typescript/no-this-alias -- the methods have a `this` of their own
    const values = this
    const { note, perform } = this.#stage
    return function (this: unknown, ...parameters: unknown[]): unknown {
      const call = `${label} call ${(values.#calls += 1)}`
      note(call, values.seen(this), ...parameters.map((parameter) => values.seen(parameter)))
      if (values.#calls < mostCalls) acts.forEach(perform)
      note(call, 'ends')
      return values.#end(ending, call)
    }
  }

  #end(ending: Ending, label: string): unknown {
    const failure = this.#failure(label)
    const note = (what: string): void => this.#stage.note(label, what)
    switch (ending.type) {
      case 'returns':
        return 'returned'
      case 'throws':
        throw failure
      case 'throws undefined':
        throw undefined // oxlint-disable-line typescript/only-throw-error -- it can be
      case 'rejects':
        return handled(Promise.reject(failure))
      case 'never':
        return new Promise(() => {})
      case 'slow':
        return turns(ending.turns)
      case 'slow reject':
        return handled(turns(ending.turns).then(() => Promise.reject(failure)))
      case 'bad then':
        return failing('then', {}, failure, note)
      case 'bad constructor':
        return failing('constructor', Promise.resolve(), failure, note)
      case 'thenable':
        return thenable((done) => done(), note)
      case 'settles twice':
        return thenable((done, fail) => {
          fail(failure)
          done()
          throw new Error('ignored')
        }, note)
      case 'subclass':
      default:
        return new (promiseClass(note))((done) => done())
    }
  }

  #failure(label: string): Error {
    return this.name(new Error(label), 'failure')
  }
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await undefined
}

/** It may never be waited for. */
function handled(promise: Promise<unknown>): Promise<unknown> {
  promise.catch(() => {})
  return promise
}

/** Reading `key` throws. */
function failing(
  key: string,
  target: object,
  failure: Error,
  note: (what: string) => void,
): object {
  const get = (): never => {
    note(`read ${key}`)
    throw failure
  }
  return Object.defineProperty(target, key, { get })
}

function thenable(
  then: (done: () => void, fail: (error: unknown) => void) => void,
  note: (what: string) => void,
): object {
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- that is what it is for
    then(done: () => void, fail: (error: unknown) => void) {
      note('then')
      then(done, fail)
    },
  }
}

function promiseClass(note: (what: string) => void): typeof Promise<void> {
  return class extends Promise<void> {
    // oxlint-disable-next-line unicorn/no-thenable -- it replaces one
    override then(...parameters: Parameters<Promise<void>['then']>): never {
      note('then of a subclass')
      return super.then(...parameters) as never
    }
  }
}
