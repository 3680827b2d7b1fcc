/**
 * What a resource is: a typed key with its recipe. A definition is inert; it is the scopes that acquire.
 */
import { refuseThenable, SpecAcquisition, type Acquisition } from './acquisition.ts'
import type { DisposeTimeoutError } from './errors.ts'
import { generatorAcquisition } from './generator.ts'
import { callable, checkOptions, expected, flag, milliseconds, oneOf, text } from './options.ts'
import type {
  AcquireContext,
  GeneratorResource,
  Lifetime,
  Resource,
  ResourceOptions,
  ResourceSpec,
} from './types.ts'

/** The key to a recipe: shared by every copy of this package, so that one's resources work in another's scopes. */
const recipe: unique symbol = Symbol.for('unwind.recipe') as never

export interface Definition<T> {
  readonly name: string
  readonly lifetime: Lifetime
  readonly acquireTimeout: number | undefined
  readonly disposeTimeout: number | undefined
  readonly critical: boolean
  destroy?(value: T, why: DisposeTimeoutError): unknown
  /** A value that somebody else owns: nothing is acquired. */
  readonly fixed: { readonly value: T } | undefined
  begin(context: AcquireContext): Acquisition<T>
}

const optionRules = {
  name: text,
  lifetime: oneOf('app', 'request', 'scope', 'transient'),
  acquireTimeout: milliseconds,
  disposeTimeout: milliseconds,
  critical: flag,
}
const specRules = { ...optionRules, acquire: callable, release: callable, destroy: callable }

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
  return typeof recipeOrSpec === 'function'
    ? fromGenerator(recipeOrSpec, options)
    : fromSpec(recipeOrSpec)
}

/**
 * A value that somebody else owns, as a resource: never released.
 * @throws {TypeError} for a thenable, which `await` would unwrap
 */
export function value<T>(value: T, options?: { name?: string }): Resource<T> {
  checkOptions('value()', options, { name: text })
  const name = options?.name ?? 'value'
  refuseThenable(name, value)
  return define<T>({ name, lifetime: 'app' }, () => fixedAcquisition(value), undefined, {
    value,
  })
}

function fromGenerator<T>(
  generator: GeneratorResource<T>,
  options: ResourceOptions | undefined,
): Resource<T> {
  checkOptions('resource()', options, optionRules)
  const name = options?.name ?? (generator.name || 'anonymous')
  return define({ ...options, name }, (context) => generatorAcquisition(name, generator, context))
}

function fromSpec<T>(spec: ResourceSpec<T>): Resource<T> {
  checkOptions('resource()', spec, specRules)
  if (typeof spec?.acquire !== 'function') {
    throw expected('the argument of resource()', 'a generator function or { acquire, … }', spec)
  }
  const acquireName = spec.acquire.name === 'acquire' ? '' : spec.acquire.name
  const name = spec.name ?? (acquireName || 'anonymous')
  return define(
    { ...spec, name },
    (context) => new SpecAcquisition(name, spec, context),
    spec.destroy && ((value, why) => spec.destroy?.(value, why)),
  )
}

function define<T>(
  options: ResourceOptions & { name: string },
  begin: Definition<T>['begin'],
  destroy?: Definition<T>['destroy'],
  fixed?: Definition<T>['fixed'],
): Resource<T> {
  const { name, lifetime = 'request', acquireTimeout, disposeTimeout, critical = true } = options
  const definition: Definition<T> = {
    name,
    lifetime,
    acquireTimeout,
    disposeTimeout,
    critical,
    fixed,
    begin,
    ...(destroy && { destroy }),
  }
  const made = { name, lifetime, [recipe]: definition }
  // The type of the value is carried by a property that exists in the types alone.
  return Object.freeze(made) as unknown as Resource<T>
}

/** @throws {TypeError} for anything that `resource` or `value` did not make */
export function definitionOf<T>(resource: Resource<T>): Definition<T> {
  const made = resource as { [recipe]?: Definition<T> } | undefined | null
  const definition = made?.[recipe]
  if (definition === undefined) {
    throw expected('the argument of get()', 'a resource made by resource() or value()', resource)
  }
  return definition
}

function fixedAcquisition<T>(value: T): Acquisition<T> {
  return { pending: value, settle: () => value, release: undefined }
}
