/** Visits of the page in Chromium. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { setTimeout } from 'node:timers/promises'

import type { Browser, Page } from 'playwright-core'
import { createApp, resource, type App, type Resource } from 'unwind'

import { launch } from '../../support/chromium.ts'
import { Site } from './site.ts'

export const connection: Resource<object> = resource({
  name: 'connection',
  acquire: () => ({}),
  release() {},
})

/** What a page said that it should not have. */
export interface Visit extends AsyncDisposable {
  readonly site: Site
  readonly page: Page
  readonly complaints: string[]
}

/** Whatever the page evaluates later than at once, its policy forbids: what it shows is asked for again and again. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let left = 600; !(await holds()); left -= 1) {
    assert.ok(left > 0, 'This did not come true in half a minute.')
    await setTimeout(50)
  }
}

let browser: Browser

before(async () => {
  browser = await launch()
})
after(() => browser.close())

export function newPage(): Promise<Page> {
  return browser.newPage()
}

/** A page that looks at `app`. Whatever its console says, and whatever its policy blocks, fails the test. */
export async function visit(
  app: App = createApp({ name: 'shop' }),
  look: object = {},
  open?: Site,
): Promise<Visit> {
  const site = open ?? (await Site.open({}, app))
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...look })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('requestfailed', (request) => {
    // The stream ends in the middle whenever nobody looks any more.
    if (!request.url().endsWith('/events')) complaints.push(`${request.url()} failed`)
  })
  await page.goto(site.look.url(site.base))
  await page.locator('body.live').waitFor()
  return {
    site,
    page,
    complaints,
    async [Symbol.asyncDispose]() {
      await context.close()
      await site[Symbol.asyncDispose]()
      assert.deepEqual(complaints, [])
    },
  }
}
