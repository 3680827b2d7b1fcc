/**
 * A start of an app: what is acquired for it goes back if it fails. What somebody else has asked for is nobody's to take, and
 * neither is what that needs.
 */
import type { Completion } from '../completion.ts'
import { move, type Finalizer, type List } from '../finalizers.ts'
import type { Instance } from './instance.ts'

export class Start {
  readonly #instances = new Set<Instance>()
  readonly #entries = new Set<Finalizer>()

  add(instance: Instance): void {
    this.#instances.add(instance)
  }

  enter(finalizer: Finalizer): void {
    this.#entries.add(finalizer)
  }

  /** What there is of it stays: it has succeeded, or somebody else asked for something. */
  keep(): void {
    for (const instance of this.#instances) instance.goesWith = undefined
    this.#instances.clear()
    this.#entries.clear()
  }

  /**
   * Resolves when nothing of it is on its way any more: that uses what has come before.
   * @param report takes what fails until then
   */
  async settled(report: (error: unknown, resource: string) => void): Promise<void> {
    // Those too that are added meanwhile.
    for (const { state, name, promise } of this.#instances) {
      if (state === 'acquiring') await promise.catch((error: unknown) => report(error, name))
    }
  }

  /** It failed: nobody is given anything of it any more. What is to be released goes from one list to the other. */
  takeBack(from: List, to: List & { readonly completion: Completion }): void {
    const { completion } = to
    // What had its time, or belongs to an app that ends, is released when it comes.
    for (const instance of this.#instances) instance.giveUp(completion.error, completion)
    move(this.#entries, from, to)
  }
}
