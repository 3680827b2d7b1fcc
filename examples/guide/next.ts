/** docs/guide/frameworks.md: Next, and whatever else calls functions with a `Request`. */
// #region route
import { createApp, inject, type App } from 'unwind'
import { session } from '../session.ts'

const kept = globalThis as { app?: App } // `next dev` loads a module anew with each change
const app = (kept.app ??= createApp())

type Handler = (request: Request) => Response | Promise<Response>

function route(handler: Handler): Handler {
  return (request) => {
    const { method, url, signal } = request // aborts when the client leaves
    const name = `${method} ${new URL(url).pathname}`
    return app.run({ kind: 'request', name, signal }, () => handler(request))
  } // committed or rolled back, then answered; an error is Next's to answer
}

export const GET: Handler = route(async () => Response.json(await inject(session)))
// #endregion

const answer = await GET(new Request('http://localhost/orders'))
console.log(await answer.text())
await app.close()
