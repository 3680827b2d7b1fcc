/** docs/guide.md: work that goes on after the answer. */
// #region detach
import { setTimeout as pause } from 'node:timers/promises'
import { createApp, resource } from 'unwind'

const outbox = resource({
  name: 'outbox',
  acquire: () => ({ send: async (to: string) => console.log('sent to', to) }),
  release: (_outbox, { status }) => console.log('outbox:', status),
})
const app = createApp({ onError: (error, { late }) => console.log('late:', late, String(error)) })

async function signUp(address: string): Promise<string> {
  const job = app.detach(
    async (scope) => {
      await pause(20, undefined, { signal: scope.signal })
      const mails = await scope.get(outbox) // the job's own: the request's are gone by now
      await mails.send(address)
    },
    { name: 'welcome mail', timeout: 60_000 },
  )
  job.catch((error: unknown) => console.log('no mail:', String(error)))
  return 'welcome'
}

console.log(await app.run(() => signUp('ada@example.org')))
const report = await app.shutdown({ grace: 10_000 }) // waits for the mail
console.log('aborted:', report.aborted)
// #endregion
