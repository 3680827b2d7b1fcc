/** docs/from-fastapi.md: `dependency_overrides`. */
// #region override
import { createApp, inject, resource, value } from 'unwind'

const settings = resource({ name: 'settings', lifetime: 'app', acquire: () => ({ shop: 'real' }) })

const app = createApp()
{
  using _fake = app.override(settings, value({ shop: 'fake' }))
  console.log(await app.run(async () => (await inject(settings)).shop))
} // and back
console.log(await app.run(async () => (await inject(settings)).shop))
// #endregion
await app.close()
