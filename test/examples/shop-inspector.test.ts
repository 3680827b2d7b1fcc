import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startExample } from './support/example.ts'
import { assertBalanced, none, temporaryFolder } from './support/shop.ts'

test(
  'a shop that serves shows what it holds, and closes although somebody looks',
  { timeout: 180_000 },
  async () => {
    await using folder = await temporaryFolder()
    const shop = startExample('shop/main', [...none, '--serve'], { cwd: folder.path })
    await shop.printed(/Serving/)
    const [, url = ''] = await shop.printed(/What it holds: (\S+)/)
    const entered = await fetch(url, { redirect: 'manual' })
    const cookie = entered.headers.get('set-cookie')?.split(';')[0] ?? ''
    const look = (name: string): Promise<Response> =>
      fetch(new URL(name, url), { headers: { cookie } })
    const picture = await (await look('snapshot.json')).text()
    assert.match(picture, /"app": "shop"/)
    assert.doesNotMatch(picture, new RegExp(folder.path))
    const following = await look('events')
    assert.equal(following.status, 200)
    shop.child.kill('SIGTERM')
    assert.match(await following.text(), /^data: \{/m)
    assertBalanced(await shop.ended)
  },
)
