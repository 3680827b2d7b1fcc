/** What is published. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { TestContext } from 'node:test'
import { createApp, resource, type App, type Channels, type Scope } from 'unwind'

export type Published = { [Name in keyof Channels]: [Name, Channels[Name]] }[keyof Channels]

export const names: readonly (keyof Channels)[] = [
  'unwind:scope:opened',
  'unwind:scope:closed',
  'unwind:scope:incomplete',
  'unwind:scope:used-after-close',
  'unwind:resource:acquired',
  'unwind:resource:released',
  'unwind:resource:leaked',
  'unwind:resource:timeout',
  'unwind:lease:used-after-release',
]

/** What is published while the test runs, on these channels. */
export function listen(t: TestContext, ...channels: (keyof Channels)[]): Published[] {
  const published: Published[] = []
  const listener = (message: unknown, name: string | symbol): void => {
    // The channel says which it is.
    published.push([name, message] as Published)
  }
  for (const name of channels) subscribe(name, listener)
  t.after(() => {
    for (const name of channels) unsubscribe(name, listener)
  })
  return published
}

export function open(t: TestContext): App {
  const app = createApp({ name: 'shop' })
  t.after(() => app.close())
  return app
}

export function identity({ id, name, kind }: Scope) {
  return { id, name, kind }
}

export const connection = resource({
  name: 'connection',
  acquire: async () => ({}),
  release: async () => {},
})
