/**
 * What a resource is: a typed key with its recipe. A definition is inert; it is the scopes that acquire.
 */
import { types } from 'node:util'
import { refuseThenable, SpecAcquisition, type Acquisition } from './acquisition.ts'
import { acquiring, identityOf, traced } from '../watching/events.ts'
import { GeneratorAcquisition } from './generator.ts'
import {
  callable,
  checkOptions,
  expected,
  flag,
  isClass,
  milliseconds,
  oneOf,
  text,
  type Rule,
} from '../options.ts'
import type { AcquireContext, GeneratorResource, ResourceOptions, ResourceSpec } from './recipe.ts'
import type { Input, Lifetime, Resource } from '../types.ts'
import { usageOf, type Usage } from '../watching/usage.ts'

/** The key to a recipe: shared by every copy of this package, so that one's resources work in another's scopes. */
const recipe: unique symbol = Symbol.for('unwind.recipe') as never

export interface Definition<T> {
  readonly name: string
  readonly lifetime: Lifetime
  /** As it was given; a replacement without one lives as long as its original. */
  readonly ownLifetime: Lifetime | undefined
  readonly acquireTimeout: number | undefined
  readonly disposeTimeout: number | undefined
  readonly critical: boolean
  readonly destroy: ResourceSpec<T>['destroy'] | undefined
  /** A value that somebody else owns: nothing is acquired. */
  readonly fixed: { readonly value: T } | undefined
  /** Provided, not acquired. */
  readonly isInput: boolean
  /** Shared by all of its name. */
  readonly usage: Usage
  /** Values and inputs have none. */
  readonly begin: Begin<T> | undefined
}

type Begin<T> = (context: AcquireContext) => Acquisition<T>

const optionRules = {
  name: text,
  lifetime: oneOf('app', 'request', 'scope', 'transient'),
  acquireTimeout: milliseconds,
  disposeTimeout: milliseconds,
  critical: flag,
}
const called: Rule = {
  expected: 'a function that is called without `new`; for a class, write () => new Example()',
  accepts: (value) => callable.accepts(value) && !isClass(value),
}
const specRules = { ...optionRules, acquire: called, release: called, destroy: called }

/**
 * Define what can be acquired, and how it is released. Nothing runs until the first `scope.get`.
 *
 * @example
 * ```ts
 * const connection = resource(async function* connection({ signal }) {
 *   const client = await connect({ signal })
 *   try {
 *     yield client
 *   } finally {
 *     await client.end()
 *   }
 * })
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function resource<T>(generator: GeneratorResource<T>, options?: ResourceOptions): Resource<T>
export function resource<T>(spec: ResourceSpec<T>): Resource<T>
export function resource<T>(
  recipeOrSpec: GeneratorResource<T> | ResourceSpec<T>,
  options?: ResourceOptions,
): Resource<T> {
  if (isClass(recipeOrSpec)) throw expected('the argument of resource()', ofClass, recipeOrSpec)
  if (typeof recipeOrSpec === 'function') return fromGenerator(recipeOrSpec, options)
  if (options !== undefined) throw expected('the second argument of resource()', inOne, options)
  return fromSpec(recipeOrSpec)
}

const asGenerator =
  'no generator function, which is the first argument itself: resource(generator, options)'
const ofClass =
  'a generator function or { acquire, … }; for a class, write { acquire: () => new Example() }'
const inOne = 'absent, where the first says how to acquire: its options stand there'

/**
 * A value that somebody else owns, as a resource: never released.
 * @throws {TypeError} for a thenable, which `await` would unwrap
 */
export function value<T>(value: T, options?: { name?: string }): Resource<T> {
  checkOptions('value()', options, { name: text })
  const name = options?.name ?? 'value'
  refuseThenable(name, value)
  return define<T>({ name, lifetime: 'app' }, { fixed: { value } })
}

/**
 * A typed key for what a request brings with it: a tenant, a user. Provided by whoever opens the scope (an adapter, a
 * middleware, a test) with `scope.provide`, read with `scope.get`, which rejects with `ERR_NOT_PROVIDED` where nobody did.
 *
 * @throws {TypeError} for a name that is no string
 */
export function input<T>(name: string): Input<T> {
  if (typeof name !== 'string') throw expected('the name given to input()', 'a string', name)
  // Made with its mark.
  return define<T>({ name, lifetime: 'scope' }, { isInput: true }) as Input<T>
}

function fromGenerator<T>(
  generator: GeneratorResource<T>,
  options: ResourceOptions | undefined,
): Resource<T> {
  checkOptions('resource()', options, optionRules)
  const name = options?.name ?? (generator.name || 'anonymous')
  return define(
    { ...options, name },
    { begin: (context) => new GeneratorAcquisition(name, generator, context) },
  )
}

function fromSpec<T>(spec: ResourceSpec<T>): Resource<T> {
  checkOptions('resource()', spec, specRules)
  if (typeof spec?.acquire !== 'function') {
    throw expected('the argument of resource()', 'a generator function or { acquire, … }', spec)
  }
  refuseGenerator(spec)
  const acquireName = spec.acquire.name === 'acquire' ? '' : spec.acquire.name
  const name = spec.name ?? (acquireName || 'anonymous')
  return define(
    { ...spec, name },
    {
      begin: (context) => new SpecAcquisition(spec, context),
      destroy: spec.destroy && ((value, why) => spec.destroy?.(value, why)),
    },
  )
}

function refuseGenerator({ acquire }: { readonly acquire: unknown }): void {
  if (!types.isGeneratorFunction(acquire)) return
  throw expected('`acquire` of resource()', asGenerator, acquire)
}

function define<T>(
  options: ResourceOptions & { name: string },
  { begin, destroy, fixed, isInput = false }: Partial<Definition<T>>,
): Resource<T> {
  const { name, lifetime = 'request', acquireTimeout, disposeTimeout, critical = true } = options
  const definition: Definition<T> = {
    name,
    lifetime,
    ownLifetime: options.lifetime,
    acquireTimeout,
    disposeTimeout,
    critical,
    destroy,
    fixed,
    isInput,
    usage: usageOf(name),
    begin,
  }
  const made = { name, lifetime, ...(isInput && { input: true }), [recipe]: definition }
  // The type of the value is carried by a property that exists in the types alone.
  return Object.freeze(made) as unknown as Resource<T>
}

/** @throws {TypeError} naming `what`, for anything that `resource`, `value` or `input` did not make */
export function definitionOf<T>(
  resource: Resource<T>,
  what = 'the argument of get() or inject()',
  wanted = 'a resource made by resource(), value() or input()',
): Definition<T> {
  // Anything may be given here by a caller without types.
  const made = resource as { [recipe]?: Definition<T> } | undefined | null
  const definition = made?.[recipe]
  if (definition !== undefined) return definition
  throw expected(what, wanted, resource)
}

/** Call the recipe, with the tracing channel around it where somebody listens. */
export function beginAcquisition<T>(
  definition: Definition<T>,
  context: AcquireContext,
): Acquisition<T> {
  // What has none is given, and no instance is made of it.
  const begin = definition.begin as Begin<T>
  if (!acquiring.hasSubscribers) return begin(context)
  const { name, lifetime } = definition
  return traced(
    { resource: name, lifetime, scope: identityOf(context.scope) },
    () => begin(context),
    ({ pending }) => pending,
  )
}
