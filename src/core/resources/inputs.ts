/**
 * What a request brings with it. A value is provided once in each scope, before it is read there, so that nobody has
 * seen another one.
 */
import { refuseThenable } from './acquisition.ts'
import { expected } from '../options.ts'
import { definitionOf, type Definition } from './resource.ts'
import type { ScopeNode } from '../scope.ts'
import type { Input } from '../types.ts'

const argument = 'the first argument of provide()'
const madeByInput = 'made by input()'

type Entry = { readonly value: unknown } | 'read'

/** What was provided in one scope, or read there. */
export type Inputs = Map<Definition<unknown>, Entry>

/** @throws {TypeError} for what is no input, and once it was read or provided here */
export function provideInput(scope: ScopeNode, key: Input<unknown>, value: unknown): void {
  const definition = definitionOf(key, argument, madeByInput)
  if (!definition.isInput) throw expected(argument, madeByInput, key)
  refuseThenable(definition.name, value, 'The value given to provide() for the input')
  const inputs = inputsOf(scope)
  const entry = inputs.get(definition)
  if (entry !== undefined) throw tooLate(definition.name, entry)
  inputs.set(definition, { value })
}

/** What was provided in `scope` or above it, if anybody did. */
export function readInput(
  scope: ScopeNode,
  definition: Definition<unknown>,
): { readonly value: unknown } | undefined {
  const readers: ScopeNode[] = []
  for (let at: ScopeNode | undefined = scope; at !== undefined; at = at.parent) {
    const entry = at.extras?.inputs?.get(definition)
    if (entry !== undefined && entry !== 'read') {
      // Not before: who was told that there is none has seen no value.
      for (const reader of readers) inputsOf(reader).set(definition, 'read')
      return entry
    }
    readers.push(at)
  }
  return undefined
}

function inputsOf({ extended }: ScopeNode): Inputs {
  return (extended.inputs ??= new Map())
}

function tooLate(name: string, entry: Entry): TypeError {
  const why = entry === 'read' ? 'was already read' : 'was already provided'
  return new TypeError(
    `The input "${name}" ${why} in this scope. Provide it once, before anything reads it; a child scope can have a value of its own.`,
  )
}
