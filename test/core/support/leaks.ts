/** What a leak detector tells. */
import type { TestContext } from 'node:test'
import { createApp, detectLeaks, resource, type App, type LeakLevel, type LeakReport } from 'unwind'
import { within } from './promises.ts'

let names = 0

/** A name that no other test has: what is told once is told once in a process. */
export function fresh(name: string): string {
  names += 1
  return `${name} ${names}`
}

export class Leaks {
  readonly all: LeakReport[] = []
  #wake: (() => void) | undefined

  readonly add = (leak: LeakReport): void => {
    this.all.push(leak)
    this.#wake?.()
  }

  of(resource: string): LeakReport[] {
    return this.all.filter((leak) => leak.resource === resource)
  }

  /** The first leak of `resource`. */
  async first(resource: string): Promise<LeakReport> {
    for (;;) {
      const [leak] = this.of(resource)
      if (leak !== undefined) return leak
      await within(
        new Promise<void>((resolve) => {
          this.#wake = resolve
        }),
      )
    }
  }
}

export function watch(
  t: TestContext,
  level: LeakLevel,
  threshold = 30_000,
): { app: App; leaks: Leaks } {
  const leaks = new Leaks()
  const detection = detectLeaks({ level, threshold, onLeak: leaks.add })
  const app = createApp({ name: 'shop' })
  t.after(async () => {
    await app.close()
    detection[Symbol.dispose]()
  })
  return { app, leaks }
}

export function connections(name: string) {
  return resource({ name, acquire: async () => ({}), release: async () => {} })
}
