/**
 * What is being acquired for what, and what waits for what: how a circle and a captive are found, and told with their
 * path; and what is to be released after whom.
 */
import { after } from '../deadline.ts'
import { CircularDependencyError } from '../errors/errors.ts'
import type { Finalizer } from '../finalizers.ts'
import type { Instance } from './instance.ts'
import type { Definition } from './resource.ts'
import { escapable } from '../waiting.ts'

/**
 * Milliseconds after which whoever is in a suspected circle is taken to wait for ever: less than test runners wait
 * (docs/decisions/circles-told-by-time.md).
 */
const endless = 1_000

/**
 * `other` is needed before `instance` can complete.
 * @param surely not only by something that runs inside its acquire function, which that may not wait for
 * @returns the circle that there is in that case, if what runs there is waited for
 * @throws `ERR_CIRCULAR_DEPENDENCY` if `other` waits for `instance`
 */
export function waitFor(
  instance: Instance,
  other: Instance,
  surely: boolean,
): readonly Instance[] | undefined {
  if (instance.state !== 'acquiring') return undefined
  const back = pathTo(other, instance)
  if (back !== undefined) {
    if (surely && isSure(back)) throw circular(back)
    return back
  }
  instance.waitsFor ??= new Map()
  instance.waitsFor.set(other, surely || instance.waitsFor.get(other) === true)
  releaseAfter(instance.releasedAfter, instance)
  return undefined
}

/** `promise`, or `ERR_CIRCULAR_DEPENDENCY` when time has shown that nobody in `circle` gets on. */
export function unlessEndless<T>(promise: Promise<T>, circle: readonly Instance[]): Promise<T> {
  return escapable(promise, (giveUp) =>
    after(endless, () => {
      if (circle.every(({ state }) => state === 'acquiring')) giveUp(circular(circle))
    }),
  )
}

function isSure(chain: readonly Instance[]): boolean {
  return chain.every((at, index) => {
    const next = chain[index + 1]
    return next === undefined || at.waitsFor?.get(next) === true
  })
}

function circular(circle: readonly Instance[]): CircularDependencyError {
  const names = circle.map(({ name }) => name)
  return new CircularDependencyError([...names, ...names.slice(0, 1)])
}

/** What `instance` asked for and has not got yet comes later than `entries`, and is to be released later all the same. */
export function releaseAfter(entries: Iterable<Finalizer> | undefined, instance: Instance): void {
  if (entries === undefined || instance.waitsFor === undefined) return
  for (const other of instance.waitsFor.keys()) {
    if (other.state !== 'acquiring' && other.state !== 'unstarted') continue
    const known = (other.releasedAfter ??= new Set())
    const { size } = known
    for (const entry of entries) known.add(entry)
    if (known.size > size) releaseAfter(entries, other)
  }
}

/**
 * A transient resource is a new instance each time, so its circle would never meet itself.
 * @throws `ERR_CIRCULAR_DEPENDENCY` if `instance` is being acquired for another of the same definition
 */
export function refuseCircle(instance: Instance, definition: Definition<unknown>): void {
  const path = [definition.name]
  for (const at of chainOf(instance)) {
    path.unshift(at.name)
    if (at.definition === definition && at.state === 'acquiring') {
      throw new CircularDependencyError(path)
    }
  }
}

/** Whether `instance`, or what it is being acquired for, is an instance of `definition`. */
export function comesFrom(instance: Instance, definition: Definition<unknown>): boolean {
  return chainOf(instance).some((at) => at.definition === definition)
}

/** The names of this chain of acquisitions in one owner, from the first one down to `instance`. */
export function pathOf(instance: Instance): string[] {
  const inOwner = chainOf(instance).filter((at) => at.owner === instance.owner)
  return inOwner.map((at) => at.name).toReversed()
}

/** This one, what it is being acquired for, what that is being acquired for, and so on. */
function chainOf(instance: Instance): Instance[] {
  const chain: Instance[] = []
  for (let at: Instance | undefined = instance; at !== undefined; at = at.dependent) chain.push(at)
  return chain
}

/**
 * The chain of waiting from `instance` to `target`.
 * @param seen those that lead elsewhere: many may wait for the same
 */
function pathTo(
  instance: Instance,
  target: Instance,
  seen: Set<Instance> = new Set(),
): Instance[] | undefined {
  if (instance === target) return [instance]
  for (const next of instance.waitsFor?.keys() ?? []) {
    if (next.state !== 'acquiring' || seen.has(next)) continue
    seen.add(next)
    const rest = pathTo(next, target, seen)
    if (rest !== undefined) return [instance, ...rest]
  }
  return undefined
}
