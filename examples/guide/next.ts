/** docs/guide/frameworks.md: Next, and whatever else calls functions with a `Request`. */
// #region route
import { createApp, currentScope, inject, type App } from 'unwind'
import { session } from '../session.ts'

const global = globalThis as { app?: App } // `next dev` loads a module anew with each change
const app = (global.app ??= createApp())

type Handler = (request: Request) => Response | Promise<Response>

function route(handler: Handler): Handler {
  return (request) => {
    if (app.state !== 'open') return new Response(null, { status: 503 }) // it is on its way down
    const { method, url, signal } = request // aborts when the client leaves
    const name = `${method} ${new URL(url).pathname}`
    return app.run({ kind: 'request', name, signal }, () => handler(request))
  } // committed or rolled back, then answered; an error is the framework's to answer
}

export const GET: Handler = route(async () => Response.json(await inject(session)))
// #endregion
// #region streamed
function streamed(response: Response): Response {
  if (response.body === null) return response
  const body = currentScope().stream(response.body) // open until it is read, or its client leaves
  const kept = new ReadableStream({
    async pull(controller) {
      const { done, value } = await body.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await body.return()
    },
  })
  return new Response(kept, response)
}
// #endregion

const whole = await GET(new Request('http://localhost/orders'))
console.log(await whole.text())
const page = route(async () => {
  const rows = new ReadableStream({
    async pull(controller) {
      controller.enqueue(new TextEncoder().encode((await inject(session)).of))
      controller.close()
    },
  })
  return streamed(new Response(rows))
})
const answer = await page(new Request('http://localhost/page'))
console.log(await answer.text())
await app.close()
