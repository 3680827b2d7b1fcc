/** docs/from-fastapi.md: a `Scope` of Effect and one of ours, with the same output. */
// #region effect
import { Effect } from 'effect'

const open = (name: string): string => {
  console.log('open', name)
  return name
}
const close = (name: string): void => console.log('close', name)

const database = Effect.acquireRelease(
  Effect.sync(() => open('database')),
  (it) => Effect.sync(() => close(it)),
)
await Effect.runPromise(Effect.scoped(Effect.map(database, (name) => console.log('use', name))))
// #endregion

// #region unwind
import { createApp, resource } from 'unwind'

const ours = resource({ name: 'database', acquire: () => open('database'), release: close })

await using app = createApp()
await app.run(async (scope) => console.log('use', await scope.get(ours)))
// #endregion
