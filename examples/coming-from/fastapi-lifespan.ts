/** docs/from-fastapi.md: `lifespan`. */
// #region lifespan
import { createApp, inject, resource } from 'unwind'

const loadModel = async (): Promise<string> => 'a model'

const model = resource({
  name: 'model',
  lifetime: 'app',
  acquire: loadModel,
  release: () => console.log('model: unloaded'),
})
const app = createApp()
await app.warmUp(model) // before the first request; without it, at the first one that asks
for (let i = 0; i < 2; i += 1) await app.run(async () => console.log('uses', await inject(model)))
await app.shutdown()
// #endregion
