/** docs/from-fastapi.md: `scope=`, when a dependency ends. */
// #region scope
import { createServer } from 'node:http'
import { createApp, inject, resource } from 'unwind'
import { handle, listen } from 'unwind/http'

const session = resource({
  name: 'session',
  acquire: () => 'a session',
  release: () => console.log('session: closed'),
})
const app = createApp()
const server = createServer(
  handle(app, () => inject(session), { closeAt: 'answer' }), // the default; or 'ended'
)
const { url } = await listen(app, server, { port: 0 })
console.log('answer:', await (await fetch(url)).text())
await app.shutdown()
// #endregion
