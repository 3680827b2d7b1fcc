/**
 * The protocol of a generator resource: one `yield`. What stands before it acquires; what stands after it releases and
 * sees how things ended: success comes out of the `yield`, everything else is thrown there.
 */
import { refuseThenable, type Acquisition } from './acquisition.ts'
import { holds } from './attempt.ts'
import { Additions, Translation, type Completion } from './completion.ts'
import { isThenable, suppress, suppressionChain } from './dispose.ts'
import { ResourceProtocolError } from './errors.ts'
import type { AcquireContext, Exit, GeneratorResource, Scope } from './types.ts'

// Whatever was thrown is known again by this: NaN too, and `undefined` where it is there.
const { is } = Object

type Step<T> = IteratorResult<T, void>

export function generatorAcquisition<T>(
  name: string,
  generator: GeneratorResource<T>,
  context: AcquireContext,
): Acquisition<T> {
  return new GeneratorAcquisition(name, generator(context), context.scope)
}

class GeneratorAcquisition<T> implements Acquisition<T> {
  readonly pending: unknown
  readonly owes = true
  readonly #name: string
  readonly #scope: Scope
  readonly #generator: ReturnType<GeneratorResource<T>>

  constructor(name: string, generator: ReturnType<GeneratorResource<T>>, scope: Scope) {
    if (typeof generator?.next !== 'function') throw notAGenerator(name)
    this.#name = name
    this.#scope = scope
    this.#generator = generator
    this.pending = generator.next()
  }

  settle(awaited: unknown): T {
    // Both kinds of generators give steps.
    const step = awaited as Step<T>
    if (step.done === true) throw noYield(this.#name)
    this.#refuseThenable(step.value)
    return step.value
  }

  release(_value: T, exit: Exit, completion: Completion): unknown {
    // Only success is ever seen by the code after the yield.
    if (exit.status === 'success') return this.#end(this.#generator.next(exit))
    const thrown = completion.thrownIn(this.#scope)
    try {
      const ended = this.#end(this.#generator.throw(thrown))
      if (!isThenable(ended)) return ended
      return ended.then(undefined, (error: unknown) => absorb(error, thrown))
    } catch (error) {
      return absorb(error, thrown)
    }
  }

  /** Its `finally` blocks run all the same. */
  #refuseThenable(value: unknown): void {
    try {
      refuseThenable(this.#name, value)
    } catch (error) {
      void this.#generator.return(undefined)
      throw error
    }
  }

  #end(step: Step<T> | PromiseLike<Step<T>>): unknown {
    // Only success is ever seen by the code after the yield.
    if (isThenable(step)) return step.then((settled) => this.#finish(settled))
    return this.#finish(step)
  }

  /** A second yield: its `finally` blocks run, and the mistake is a failing release. */
  #finish(step: Step<T>): unknown {
    if (step.done === true) return undefined
    const mistake = yieldedTwice(this.#name)
    const fail = (): never => {
      throw mistake
    }
    const failTwice = (error: unknown): never => {
      throw suppress(error, mistake)
    }
    let returned: unknown
    try {
      returned = this.#generator.return(undefined)
    } catch (error) {
      failTwice(error)
    }
    return isThenable(returned) ? returned.then(fail, failTwice) : fail()
  }
}

/**
 * Rethrown: nothing new. Thrown with the original as its `cause`: a translation. Rethrown through an `await using` that
 * failed: that failure is new, the rest is not. Anything else is a failing release.
 */
function absorb(error: unknown, thrown: unknown): void {
  const chain = suppressionChain(error)
  const innermost = chain.find((link) => is(link, thrown)) ?? chain.at(-1)
  if (is(innermost, thrown)) {
    if (!is(error, thrown)) throw new Additions(error, thrown)
  } else if (holds(() => innermost instanceof Error && hasCause(innermost, thrown))) {
    throw new Translation(thrown, error)
  } else {
    throw error
  }
}

function hasCause(error: Error, cause: unknown): boolean {
  return 'cause' in error && is(error.cause, cause)
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
