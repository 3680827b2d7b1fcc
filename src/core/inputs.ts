/**
 * What a request brings with it. A value is provided once in each scope, before it is read there, so that nobody has
 * seen another one.
 */
import { NotProvidedError } from './errors.ts'
import { refuseThenable } from './acquisition.ts'
import { expected } from './options.ts'
import { defineInput, definitionOf, type Definition } from './resource.ts'
import type { ScopeNode } from './scope.ts'
import type { Input } from './types.ts'

/**
 * A typed key for what a request brings with it: a tenant, a user. Provided by whoever opens the scope (an adapter, a
 * middleware, a test) with `scope.provide`, read with `scope.get`, which rejects with `ERR_NOT_PROVIDED` where nobody did.
 *
 * @throws {TypeError} for a name that is no string
 */
export function input<T>(name: string): Input<T> {
  return defineInput<T>(name)
}

const argument = 'the first argument of provide()'

type Entry = { readonly value: unknown } | 'read'

export class Inputs {
  readonly #entries = new Map<Definition<unknown>, Entry>()

  /** @throws {TypeError} for what is no input, and once it was read or provided here */
  provide(key: Input<unknown>, value: unknown): void {
    const definition = definitionOf(key, argument)
    if (!definition.isInput) throw expected(argument, 'made by input()', key)
    refuseThenable(definition.name, value)
    const entry = this.#entries.get(definition)
    if (entry !== undefined) throw tooLate(definition.name, entry)
    this.#entries.set(definition, { value })
  }

  find(definition: Definition<unknown>): { readonly value: unknown } | undefined {
    const entry = this.#entries.get(definition)
    return entry === 'read' ? undefined : entry
  }

  markRead(definition: Definition<unknown>): void {
    if (!this.#entries.has(definition)) this.#entries.set(definition, 'read')
  }
}

export function inputsOf({ extended }: ScopeNode): Inputs {
  return (extended.inputs ??= new Inputs())
}

/** @throws `ERR_NOT_PROVIDED` */
export function readInput(scope: ScopeNode, definition: Definition<unknown>): unknown {
  const provided = scope.extras?.inputs?.find(definition)
  if (provided !== undefined) return provided.value
  if (scope.parent === undefined) throw new NotProvidedError(definition.name)
  const value = readInput(scope.parent, definition)
  // Not before: who was told that there is none has seen no value.
  inputsOf(scope).markRead(definition)
  return value
}

function tooLate(name: string, entry: Entry): TypeError {
  const why = entry === 'read' ? 'was already read' : 'was already provided'
  return new TypeError(
    `The input "${name}" ${why} in this scope. Provide it once, before anything reads it; a child scope can have a value of its own.`,
  )
}
