/**
 * What one scope owns: the instances that are there, and those on their way. Made at the first `get`; who owns what is
 * decided by the lifetime alone.
 */
import { Completion } from './completion.ts'
import { Instance, type Owner } from './instance.ts'
import { readInput, type Inputs } from './inputs.ts'
import { captive, noRequest } from './misuse.ts'
import type { Overrides } from './overrides.ts'
import type { Definition } from './resource.ts'

/** A scope as a place where instances are kept. */
export interface Place extends Owner {
  readonly root: Place
  /** The scope that owns what lives as long as a request; an app has none. */
  readonly request: Place | undefined
  readonly parent: Place | undefined
  readonly overrides: Overrides | undefined
  inputs: Inputs | undefined
  holdings: Holdings | undefined
  /** @throws where nothing can be acquired any more */
  admit(call: string): void
}

/**
 * The instance of `definition` that `place` sees, acquired if it is not there.
 * @param dependent what is being acquired and asks for it
 */
export function obtain<T>(
  place: Place,
  definition: Definition<T>,
  dependent: Instance | undefined,
): Promise<T> {
  // Everything that this definition can give is a T by the signatures of `resource`, `provide` and `override`.
  return find(place, definition, dependent) as Promise<T>
}

function find(
  place: Place,
  original: Definition<unknown>,
  dependent: Instance | undefined,
): Promise<unknown> {
  const { definition, declaredIn } = replacedIn(place, original, dependent)
  if (definition.fixed !== undefined) return Promise.resolve(definition.fixed.value)
  if (definition.isInput) return Promise.resolve(readInput(place, definition))
  const owner = innerOf(ownerOf(place, definition, dependent), declaredIn)
  const instance = owner.holdings?.find(definition) ?? acquire(owner, definition, dependent)
  dependent?.waitFor(instance)
  if (instance.state === 'unstarted') instance.start()
  return instance.promise
}

interface Choice {
  readonly definition: Definition<unknown>
  /** The scope whose override it is. */
  readonly declaredIn: Place | undefined
}

/** A replacement that asks for its original gets that, not itself. */
function replacedIn(
  place: Place,
  original: Definition<unknown>,
  dependent: Instance | undefined,
): Choice {
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) {
    const definition = at.overrides?.find(original)
    if (definition !== undefined && dependent?.comesFrom(definition) !== true) {
      return { definition, declaredIn: at }
    }
  }
  return { definition: original, declaredIn: undefined }
}

/** What a scope replaced for itself is not shared with those above it. */
function innerOf(owner: Place, declaredIn: Place | undefined): Place {
  for (let at = declaredIn?.parent; at !== undefined; at = at.parent) {
    if (at === owner && declaredIn !== undefined) return declaredIn
  }
  return owner
}

function acquire(
  owner: Place,
  definition: Definition<unknown>,
  dependent: Instance | undefined,
): Instance {
  owner.admit('get()')
  if (definition.lifetime === 'transient') dependent?.refuseCircle(definition)
  const instance = new Instance(definition, owner, dependent)
  owner.holdings ??= new Holdings()
  owner.holdings.keep(instance)
  return instance
}

function ownerOf(
  place: Place,
  { lifetime, name }: Definition<unknown>,
  dependent: Instance | undefined,
): Place {
  if (lifetime === 'app') return place.root
  if (lifetime !== 'request') return place
  if (place.request !== undefined) return place.request
  throw dependent === undefined ? noRequest(name) : captive([...dependent.chain(), name])
}

export class Holdings {
  readonly #instances = new Map<Definition<unknown>, Instance>()
  readonly #onTheirWay = new Set<Instance>()
  #whenAllArrived: (() => void) | undefined = undefined

  /** By identity: two resources of one name are two resources. */
  find(definition: Definition<unknown>): Instance | undefined {
    return this.#instances.get(definition)
  }

  keep(instance: Instance): void {
    const { definition } = instance
    if (definition.lifetime !== 'transient') this.#instances.set(definition, instance)
    this.#onTheirWay.add(instance)
  }

  /** The next `get` tries again. */
  forget(instance: Instance): void {
    if (this.find(instance.definition) === instance) this.#instances.delete(instance.definition)
  }

  /** It is no longer on its way. */
  arrived(instance: Instance): void {
    this.#onTheirWay.delete(instance)
    if (this.idle) this.#whenAllArrived?.()
  }

  onTheirWay(): Iterable<Instance> {
    return this.#onTheirWay
  }

  get idle(): boolean {
    return this.#onTheirWay.size === 0
  }

  /** The scope was aborted: whoever waits is told at once, and what arrives is released. */
  giveUp(reason: unknown): void {
    for (const instance of [...this.#onTheirWay]) {
      const completion = new Completion('unknown')
      completion.abort(reason)
      instance.giveUp(reason, completion)
    }
  }

  /** The scope is closing: whoever waits is told at once; resolves when nothing is on its way any more. */
  async settle(error: unknown): Promise<void> {
    if (this.idle) return
    const allArrived = new Promise<void>((resolve) => {
      this.#whenAllArrived = resolve
    })
    for (const instance of [...this.#onTheirWay]) instance.doom(error)
    await allArrived
  }
}
