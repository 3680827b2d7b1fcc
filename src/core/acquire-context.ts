/**
 * What an acquire function is given, and what is ambient inside it: through it is known what it depends on.
 */
import type { Ambient } from './context.ts'
import type { Instance, Owner } from './instance.ts'
import type { AcquireContext, Resource } from './types.ts'

export class Context implements AcquireContext, Ambient {
  readonly scope: Owner
  readonly instance: Instance

  constructor(instance: Instance) {
    this.scope = instance.owner
    this.instance = instance
  }

  /** A function of its own, because it is often taken out of the context; made only for those who look. */
  get get(): <T>(resource: Resource<T>) => Promise<T> {
    const { scope, instance } = this
    return (resource) => scope.resolve(resource, instance)
  }

  /** A closing owner waits for what is on its way. */
  get awaited(): boolean {
    return this.instance.state === 'acquiring'
  }

  get signal(): AbortSignal {
    return this.scope.signal
  }
}
