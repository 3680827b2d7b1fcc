/**
 * The protocol of a generator resource: one `yield`. What stands before it acquires; what stands after it releases and
 * sees how things ended: success comes out of the `yield`, everything else is thrown there.
 */
import type { Acquisition } from './acquisition.ts'
import { Answer, type Completion } from '../completion.ts'
import { isThenable, suppress } from '../dispose.ts'
import { ResourceProtocolError } from '../errors/errors.ts'
import type { AcquireContext, GeneratorResource } from './recipe.ts'
import type { Exit, Scope } from '../types.ts'

type Step<T> = IteratorResult<T, void>

export class GeneratorAcquisition<T> implements Acquisition<T> {
  readonly pending: unknown
  readonly owes = true
  readonly #name: string
  readonly #scope: Scope
  readonly #generator: ReturnType<GeneratorResource<T>>

  constructor(name: string, recipe: GeneratorResource<T>, context: AcquireContext) {
    const generator = recipe(context)
    if (typeof generator?.next !== 'function') throw notAGenerator(name)
    this.#name = name
    this.#scope = context.scope
    this.#generator = generator
    this.pending = generator.next()
  }

  settle(awaited: unknown): T {
    // Both kinds of generators give steps.
    const step = awaited as Step<T>
    if (step.done === true) throw noYield(this.#name)
    return step.value
  }

  release(_value: T, exit: Exit, completion: Completion): unknown {
    // Only success is ever seen by the code after the yield.
    if (exit.status === 'success') return this.#end(this.#generator.next(exit))
    return this.#throw(completion.thrownIn(this.#scope))
  }

  /** Thrown again, it is nothing new. */
  async #throw(thrown: unknown): Promise<void> {
    try {
      await this.#end(this.#generator.throw(thrown))
    } catch (error) {
      if (!Object.is(error, thrown)) throw new Answer(error, thrown)
    }
  }

  #end(step: Step<T> | PromiseLike<Step<T>>): unknown {
    return isThenable(step) ? step.then((settled) => this.#finish(settled)) : this.#finish(step)
  }

  #finish(step: Step<T>): unknown {
    return step.done === true ? undefined : this.#endAgain()
  }

  /** A second yield: its `finally` blocks run, and the mistake is a failing release. */
  async #endAgain(): Promise<never> {
    const mistake = yieldedTwice(this.#name)
    try {
      await this.#generator.return(undefined)
    } catch (error) {
      throw suppress(error, mistake)
    }
    throw mistake
  }
}

function yieldedTwice(name: string): ResourceProtocolError {
  return new ResourceProtocolError(
    `The resource "${name}" yielded twice. A resource yields its value once; release it after that yield.`,
  )
}

function noYield(name: string): ResourceProtocolError {
  return new ResourceProtocolError(
    `The resource "${name}" finished without a yield. Yield the value once, and release it after that yield.`,
  )
}

function notAGenerator(name: string): ResourceProtocolError {
  return new ResourceProtocolError(
    `The function of the resource "${name}" returned no generator. Write function* or async function*, or give { acquire, release }.`,
  )
}
