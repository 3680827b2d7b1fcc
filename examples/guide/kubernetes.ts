/** docs/guide.md: told to end, a service finishes what it has begun. */
import { once } from 'node:events'
// #region shutdown
import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { createApp } from 'unwind'
import { handle, listen } from 'unwind/http'
import { shutdownOnSignals } from 'unwind/node'

const app = createApp({ name: 'shop' })
const server = createServer(
  handle(app, async (request, response, scope) => {
    if (request.url === '/ready') {
      response.statusCode = scope.draining.aborted ? 503 : 200
      return ''
    }
    await pause(100)
    return 'delivered'
  }),
)
shutdownOnSignals(app, {
  lameDuck: 2_000, // 5_000 in Kubernetes: endpoints are taken out of rotation meanwhile
  grace: 10_000, // then aborted
  abortGrace: 1_000, // then left behind
  onReport: ({ aborted, stuck, errors }) => {
    console.log({ aborted, stuck: stuck.length, errors })
  },
}) // then the process exits
const { url } = await listen(app, server, { port: 0 })
// #endregion

const ready = async (): Promise<number> => (await fetch(`${url}/ready`)).status
console.log('ready:', await ready())
const begun = once(server, 'request')
const answer = fetch(url)
await begun
const draining = once(app.draining, 'abort')
process.kill(process.pid, 'SIGTERM')
await draining
console.log('ready:', await ready())
console.log('the slow request:', await (await answer).text())
