/** docs/from-fastapi.md: `lifespan`, and when a dependency ends. */
import { createServer } from 'node:http'
import { createApp, resource } from 'unwind'
import { handle, listen } from 'unwind/http'

const loadModel = async (): Promise<string> => 'a model'

// #region lifespan
const model = resource({
  name: 'model',
  lifetime: 'app',
  acquire: loadModel,
  release: () => console.log('model: unloaded'),
})
const app = createApp()
await app.warmUp(model) // before the first request; without it, at the first one that asks
// #endregion

const session = resource({
  acquire: () => 'session',
  release: () => console.log('session: closed'),
})

// #region scope
const server = createServer(
  handle(
    app,
    async (_request, _response, scope) =>
      `${await scope.get(session)} of ${await scope.get(model)}`,
    { closeAt: 'answer' }, // scope="function", and the default; 'ended' is scope="request"
  ),
)
// #endregion
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
console.log(await (await fetch(listening.url)).text())
await app.shutdown()
