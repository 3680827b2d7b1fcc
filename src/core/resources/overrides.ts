/**
 * Replacements of resources, for an app or for one scope and what is below it. What a replacement was made from decides
 * only which resource it stands for; it has its own dependencies, and its own lifetime if it was given one.
 */
import { expected } from '../options.ts'
import { definitionOf, type Definition } from './resource.ts'
import type { Override, Resource } from '../types.ts'

// A registered symbol cannot be declared unique.
const pair: unique symbol = Symbol.for('unwind.override') as never

interface Pair {
  readonly original: Definition<unknown>
  readonly replacement: Definition<unknown>
}

/**
 * For `overrides` of an app or a scope: use `replacement` wherever `original` is asked for. Inside the replacement,
 * `context.get(original)` is the original itself.
 *
 * @throws {TypeError} for what is no resource
 */
export function override<T>(original: Resource<T>, replacement: Resource<NoInfer<T>>): Override {
  const made = { [pair]: pairOf(original, replacement) }
  // The types know the brand alone.
  return Object.freeze(made) as unknown as Override
}

export class Overrides {
  readonly #pairs = new Map<Definition<unknown>, Pair[]>()

  /** @throws {TypeError} for anything that `override` did not make */
  static of(overrides: Iterable<Override>): Overrides {
    const made = new Overrides()
    for (const each of overrides) {
      // Anything may be given here by a caller without types.
      const given = (each as { [pair]?: Pair } | undefined)?.[pair]
      if (given === undefined) throw expected('each of `overrides`', 'made by override()', each)
      made.#add(given)
    }
    return made
  }

  /** The newest replacement counts; call the result to take this one back. */
  replace<T>(original: Resource<T>, replacement: Resource<T>): () => void {
    const given = pairOf(original, replacement)
    const list = this.#add(given)
    return () => {
      const index = list.indexOf(given)
      if (index >= 0) list.splice(index, 1)
    }
  }

  find(original: Definition<unknown>): Definition<unknown> | undefined {
    return this.#pairs.get(original)?.at(-1)?.replacement
  }

  #add(given: Pair): Pair[] {
    const list = this.#pairs.get(given.original) ?? []
    this.#pairs.set(given.original, list)
    list.push(given)
    return list
  }
}

/** A definition of its own for each pair, so that one replacement can stand for several resources. */
function pairOf<T>(original: Resource<T>, replacement: Resource<T>): Pair {
  const from = definitionOf(original, 'the first argument of override()')
  const to = definitionOf(replacement, 'the second argument of override()')
  // An input is provided under its own definition.
  const standIn = to.isInput ? to : { ...to, lifetime: to.ownLifetime ?? from.lifetime }
  return { original: from, replacement: standIn }
}
