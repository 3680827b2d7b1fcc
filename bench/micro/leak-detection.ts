/**
 * What does it cost to look for leaks while a request acquires and releases one resource?
 * Baseline: the level `off`.
 */
import { createApp, detectLeaks, resource } from 'unwind'
import type { Case, Suite } from '../harness.ts'
import { answered, Connection } from '../support/connection.ts'

const app = createApp({ name: 'bench' })
const connection = resource({
  name: 'connection',
  acquire: () => new Connection(),
  release: (held) => held.end(),
})

export function open(): Suite {
  return {
    question:
      'What does it cost to look for leaks while a request acquires and releases one resource?',
    baseline: at('off'),
    cases: [at('simple'), at('sampled'), at('full')],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

function at(level: 'off' | 'simple' | 'sampled' | 'full'): Case {
  return {
    name: level,
    operation: () => app.run(async (scope) => (await scope.get(connection)).answer()),
    check: answered,
    within: (batch) => {
      const detection = detectLeaks({ level })
      const done = batch()
      if (!(done instanceof Promise)) {
        detection[Symbol.dispose]()
        return done
      }
      // The batch is a promise, and so is what follows it.
      return done.finally(() => detection[Symbol.dispose]()) as typeof done
    },
  }
}
