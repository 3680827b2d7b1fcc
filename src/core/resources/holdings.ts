/**
 * What one scope owns: the instances that are there, and those on their way. Made at the first `get`; who owns what is
 * decided by the lifetime alone.
 */
import { Context } from './acquisition.ts'
import { admitWork } from '../admission.ts'
import { comesFrom, pathOf, refuseCircle, unlessEndless, waitFor } from './chains.ts'
import { ambient, underway } from '../context.ts'
import { Completion } from '../completion.ts'
import { whenAborted } from '../deadline.ts'
import { detection } from '../watching/detection.ts'
import { NotProvidedError } from '../errors/errors.ts'
import { Instance } from './instance.ts'
import { readInput } from './inputs.ts'
import { captive, noRequest } from '../misuse.ts'
import { note } from '../watching/notes.ts'
import type { Definition } from './resource.ts'
import { Start } from './start.ts'
import type { ScopeNode } from '../scope.ts'
import { addChild, childrenOf, removeChild, requestOf, rootOf, type Parent } from '../tree.ts'
import { escapable } from '../waiting.ts'

/** What a value is acquired for: something that is being acquired itself, or a start. */
export type Asker = Instance | Start

/**
 * The instance of `original` that `place` sees, acquired if it is not there.
 * @param asker what it is for, if anything
 * @param signal how long the caller waits
 */
export function obtain(
  place: ScopeNode,
  original: Definition<unknown>,
  asker: Asker | undefined,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const caller = underway.count === 0 ? undefined : ambient()
  // Whoever asks a scope inside an acquire function depends on what it gets, as with `context.get`.
  const around = caller instanceof Context ? caller.neededBy : undefined
  const dependent = asker instanceof Instance ? asker : around
  // What is being acquired and waits for whoever asks, be it as a dependent or by a `run` inside of it.
  const needing = dependent ?? caller?.neededBy
  const start = asker instanceof Start ? asker : needing?.goesWith
  const { definition, declaredIn } = replacedIn(place, original, dependent)
  if (definition.fixed !== undefined) return given(definition.fixed.value, dependent)
  if (definition.isInput) return given(provided(place, definition, dependent), dependent)
  const owner = innerOf(ownerOf(place, definition, dependent), declaredIn)
  const there = owner.holdings?.find(definition)
  if (there !== undefined && there.goesWith !== start) there.goesWith?.keep()
  if (there !== undefined && there.state === 'open') {
    dependent?.borrowFrom(there)
    return there.promise
  }
  const instance = there ?? acquire(owner, definition, dependent, start)
  const circle = needing && waitFor(needing, instance, needing === dependent)
  dependent?.borrowFrom(instance)
  if (instance.state === 'unstarted') instance.start()
  // What was acquired at once is given as to those who ask later, who would overtake the first one otherwise.
  if (instance.state === 'open' && signal === undefined) return instance.promise
  const waiting = waitHere(place, instance, signal)
  return circle === undefined ? waiting : unlessEndless(waiting, circle)
}

/** What nobody acquires: somebody else's, and there already. */
function given(value: unknown, dependent: Instance | undefined): Promise<unknown> {
  dependent?.borrowFrom({ value })
  return Promise.resolve(value)
}

/**
 * What a request brings with it. An app resource that asks its app is in no request: providing it there would not help.
 * @throws `ERR_NOT_PROVIDED`, or there `ERR_CAPTIVE_DEPENDENCY`
 */
function provided(
  place: ScopeNode,
  definition: Definition<unknown>,
  dependent: Instance | undefined,
): unknown {
  const there = readInput(place, definition)
  if (there !== undefined) return there.value
  const { name } = definition
  if (place.kind === 'app' && dependent?.owner === place)
    throw captive([...pathOf(dependent), name])
  throw new NotProvidedError(name)
}

/** What another scope acquires is waited for only as long as this one goes on, and the caller's signal. */
function waitHere(
  place: ScopeNode,
  instance: Instance,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (instance.owner === place && signal === undefined) {
    instance.heard = true
    return instance.promise
  }
  place.holdings ??= new Holdings()
  return place.holdings.waitFor(instance, signal)
}

interface Choice {
  readonly definition: Definition<unknown>
  /** The scope whose override it is. */
  readonly declaredIn: ScopeNode | undefined
}

/** A replacement that asks for its original gets that, not itself. */
function replacedIn(
  place: ScopeNode,
  original: Definition<unknown>,
  dependent: Instance | undefined,
): Choice {
  for (let at: ScopeNode | undefined = place; at !== undefined; at = at.parent) {
    const definition = at.extras?.overrides?.find(original)
    if (definition === undefined) continue
    if (dependent === undefined || !comesFrom(dependent, definition)) {
      return { definition, declaredIn: at }
    }
  }
  return { definition: original, declaredIn: undefined }
}

/** What a scope replaced for itself is not shared with those above it. */
function innerOf(owner: ScopeNode, declaredIn: ScopeNode | undefined): ScopeNode {
  for (let at = declaredIn?.parent; at !== undefined; at = at.parent) {
    if (at === owner && declaredIn !== undefined) return declaredIn
  }
  return owner
}

function acquire(
  owner: ScopeNode,
  definition: Definition<unknown>,
  dependent: Instance | undefined,
  start: Start | undefined,
): Instance {
  admitWork(owner, 'get()')
  if (owner.aborted) throw owner.cancellation?.cause?.reason
  if (definition.lifetime === 'transient' && dependent !== undefined) {
    refuseCircle(dependent, definition)
  }
  const instance = new Instance(definition, owner, dependent)
  instance.goesWith = start
  start?.add(instance)
  if (detection.watching) note(instance, definition.name, owner)
  owner.holdings ??= new Holdings()
  owner.holdings.keep(instance)
  return instance
}

function ownerOf(
  place: ScopeNode,
  { lifetime, name }: Definition<unknown>,
  dependent: Instance | undefined,
): ScopeNode {
  if (lifetime === 'app') return rootOf(place)
  if (lifetime !== 'request') return place
  const request = requestOf(place)
  if (request !== undefined) return request
  throw dependent === undefined ? noRequest(name) : captive([...pathOf(dependent), name])
}

/** From this many on, instances are looked up in a map. */
const many = 8

export class Holdings implements Parent<Instance> {
  /** What is shared, newest first, in a list through the instances themselves; once there are many, with an index. */
  newestChild: Instance | undefined = undefined
  #kept = 0
  #index: Map<Definition<unknown>, Instance> | undefined = undefined
  /** What is on its way: one, or several. */
  #arriving: Instance | Set<Instance> | undefined = undefined
  /** How many had their time and go on: counted, because what is kept here would be kept from the garbage. */
  #overdue = 0
  /** Those who wait for what an ancestor acquires, or until their signal aborts. */
  #waiters: Set<(error: unknown) => void> | undefined = undefined
  #whenAllArrived: (() => void) | undefined = undefined

  /** By identity: two resources of one name are two resources. */
  find(definition: Definition<unknown>): Instance | undefined {
    if (this.#index !== undefined) return this.#index.get(definition)
    let at = this.newestChild
    while (at !== undefined && at.definition !== definition) at = at.older
    return at
  }

  keep(instance: Instance): void {
    if (instance.definition.lifetime !== 'transient') this.#share(instance)
    this.expect(instance)
  }

  /** Closing waits for it, until it has arrived. */
  expect(instance: Instance): void {
    if (this.#arriving === undefined) this.#arriving = instance
    else this.#arriving = setOf(this.#arriving).add(instance)
  }

  /** The next `get` tries again. */
  forget(instance: Instance): void {
    removeChild(this, instance)
    // It may have been forgotten before, and another one be there.
    const { definition } = instance
    if (this.#index?.get(definition) === instance) this.#index.delete(definition)
  }

  /** Closing does not wait for it any more, but tells it to stop. */
  leave(instance: Instance): void {
    this.#overdue += 1
    this.#drop(instance)
  }

  /** It is no longer on its way. */
  arrived(instance: Instance): void {
    if (instance.overdue) this.#overdue -= 1
    this.#drop(instance)
  }

  #drop(instance: Instance): void {
    if (this.#arriving === instance) this.#arriving = undefined
    else if (this.#arriving instanceof Set) {
      this.#arriving.delete(instance)
      if (this.#arriving.size === 0) this.#arriving = undefined
    }
    if (this.#arriving === undefined) this.#whenAllArrived?.()
  }

  onTheirWay(): Instance[] {
    return this.#arriving === undefined ? [] : [...setOf(this.#arriving)]
  }

  /** Something is, or it goes on although nobody waits for it. */
  get acquiring(): boolean {
    return this.#arriving !== undefined || this.#overdue > 0
  }

  /** Nobody waits for anything. */
  get quiet(): boolean {
    return !this.acquiring && (this.#waiters === undefined || this.#waiters.size === 0)
  }

  waitFor(instance: Instance, signal: AbortSignal | undefined): Promise<unknown> {
    const waiters = (this.#waiters ??= new Set())
    return escapable(instance.promise, (giveUp) => {
      const leave = instance.join(giveUp)
      waiters.add(leave)
      const stopListening = signal && whenAborted(signal, () => leave(signal.reason))
      return () => {
        waiters.delete(leave)
        stopListening?.()
      }
    })
  }

  /**
   * The scope was aborted, or failed: whoever waits is told at once, and what arrives is released.
   * @param aborted whether that is what its outcome can become
   */
  giveUp(reason: unknown, aborted: boolean): void {
    this.#turnAway(reason)
    for (const instance of this.onTheirWay()) {
      const { unknown } = Completion
      instance.giveUp(reason, aborted ? unknown.abort(reason) : unknown.fail(reason, true))
    }
  }

  /** The scope is closing: whoever waits is told at once; resolves when nothing is on its way any more. */
  async settle(error: unknown): Promise<void> {
    this.#turnAway(error)
    if (this.#arriving === undefined) return
    const { promise: allArrived, resolve } = Promise.withResolvers<void>()
    this.#whenAllArrived = resolve
    for (const instance of this.onTheirWay()) instance.refuse(error)
    await allArrived
  }

  #turnAway(error: unknown): void {
    for (const reject of [...(this.#waiters ?? [])]) reject(error)
  }

  #share(instance: Instance): void {
    addChild(this, instance)
    this.#kept += 1
    this.#index?.set(instance.definition, instance)
    if (this.#kept === many) this.#index = indexOf(childrenOf(this))
  }
}

function indexOf(instances: readonly Instance[]): Map<Definition<unknown>, Instance> {
  return new Map(instances.map((instance) => [instance.definition, instance]))
}

function setOf(arriving: Instance | Set<Instance>): Set<Instance> {
  return arriving instanceof Set ? arriving : new Set([arriving])
}
