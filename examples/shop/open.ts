/**
 * One day of the shop: open it, let the customers in, close it, check its books. What is opened is opened with
 * `await using`, so it is closed in reverse order on every way out: sockets, server, app, database.
 */
import type { Server } from 'node:http'
import { createApp, type App } from 'unwind'
import { listen, type Listening } from 'unwind/http'
import { inspector, type Inspector } from 'unwind/inspector'
import { serveSockets } from 'unwind/ws'
import { WebSocketServer } from 'ws'

import { StartError, type Arguments } from './arguments.ts'
import type { Check, Memory } from './audit.ts'
import { CardReaderError } from './bank.ts'
import { audit, countOrders, openBooks } from './books.ts'
import { Feed } from './feed.ts'
import { forCustomers, Meter, type Counted } from './meter.ts'
import { Progress } from './progress.ts'
import { checkList, heldTable, surpriseList, title, trafficTable, verdict } from './report.ts'
import { createShopServer } from './server.ts'
import type { Shop } from './shop.ts'
import { Interruption } from './signals.ts'
import { serveCustomer } from './sockets.ts'
import { openStore, type Store } from './store.ts'
import { mostOfOne, sendTraffic, type Traffic } from './traffic.ts'

interface Day {
  readonly wanted: Arguments
  readonly app: App
  readonly store: Store
  readonly shop: Shop
  readonly interruption: Interruption
  /** What went otherwise than planned. */
  readonly surprises: string[]
}

/**
 * @returns the exit code
 * @throws {StartError}
 */
export async function openShop(wanted: Arguments): Promise<number> {
  const surprises: string[] = []
  using interruption = new Interruption()
  await using app = createApp({
    name: 'shop',
    onError(error) {
      // That card readers break is planned here; what else the app has to say is not.
      if (!(error instanceof CardReaderError)) surprises.push(`The app reports: ${String(error)}`)
    },
  })
  const store = openStore(wanted.database)
  const meter = new Meter()
  const transaction = meter.counted('transactions', store.transaction)
  const shop = { transaction, feed: new Feed(), meter }
  const day = { wanted, app, store, shop, interruption, surprises }

  await lookAround(day)
  const { memory, cutShort } = await trade(day)
  const good = await settle(day, memory)
  return cutShort && good ? interruption.exitCode : Number(!good)
}

/** Open the books, and say what is in them: a run that was killed has left them in order too. */
async function lookAround({ app, store, wanted, interruption: { signal } }: Day): Promise<void> {
  // Enough that nothing can be sold out, even if all customers want the same.
  const level = 1_000 + (wanted.requests + wanted.sockets) * mostOfOne
  const onTaken = () => say(`  Waiting for the program that has ${store.name} open.`)
  await openBooks(app, store, { level, signal, onTaken })
  say(title(store.name))
  const orders = await countOrders(app, store)
  if (orders === 0) return
  say(`  The books of earlier runs:\n${checkList(await audit(app, store))}`)
}

/** From the opening of the doors to their closing. */
async function trade(day: Day): Promise<{ memory: Memory; cutShort: boolean }> {
  const { app, shop, wanted, interruption } = day
  const look = wanted.serve ? lookInto(app) : null
  const server = createShopServer(app, shop, look)
  await using doors = await openDoors(app, server, wanted.port)
  // Before the doors: they wait for whoever is still being answered.
  await using _looking = look
  const upgrades = new WebSocketServer({ server, path: '/feed', maxPayload: 65_536 })
  await using _feed = serveSockets(app, upgrades, (socket, scope, request) =>
    serveCustomer(shop, socket, scope, request),
  )
  if (wanted.serve) say(`  ${doors.url} is open.\n${placeOf(look, doors)}`)
  const { memory } = await letCustomersIn(day, doors.url)
  const cutShort = interruption.signal.aborted
  if (wanted.serve && !cutShort) {
    await settle(day, memory, forCustomers)
    say(`\n  Serving ${doors.url} until Ctrl-C.\n${placeOf(look, doors)}`)
    await interruption.wait()
    say('  Closing: who is being served is served, nobody new comes in.\n')
  }
  return { memory, cutShort }
}

/** Each time with a new token: it lets one browser in. */
function placeOf(look: Inspector | null, doors: Listening): string {
  return look === null ? '' : `  What it holds: ${look.url(doors.url)}\n`
}

/** The live page of what is held; it is not for production. */
function lookInto(app: App): Inspector | null {
  return process.env['NODE_ENV'] === 'production' ? null : inspector(app)
}

async function openDoors(app: App, server: Server, port: number): Promise<Listening> {
  try {
    return await listen(app, server, { port, host: '127.0.0.1' })
  } catch (error) {
    throw new StartError(`the shop cannot open its doors: ${(error as Error).message}`)
  }
}

async function letCustomersIn(day: Day, url: string): Promise<Traffic> {
  const { shop, wanted, interruption, surprises } = day
  const { requests, sockets } = wanted
  const progress = new Progress(process.stdout, requests + sockets)
  const traffic = await sendTraffic({
    url,
    meter: shop.meter,
    requests,
    sockets,
    signal: interruption.signal,
    onDone: () => progress.step(),
  })
  progress.end()
  // The last answer may be faster than the end of its scope.
  await shop.meter.idle(5_000)
  for (const { customer, surprises: own } of [...traffic.requests, ...traffic.sockets]) {
    surprises.push(...own.map((surprise) => `${customer.name}: ${surprise}`))
  }
  if (requests + sockets > 0) say(`\n${trafficTable(traffic)}`)
  say(heldTable(shop.meter))
  return traffic
}

/** Check the books, and that nothing of `what` is held; of everything, if nothing is named. */
async function settle(
  { app, store, shop, surprises }: Day,
  memory: Memory,
  what: readonly Counted[] = [],
): Promise<boolean> {
  const held = shop.meter.held(...what)
  const taken = await store.taken(app)
  const checks = [...(await audit(app, store, memory)), holdsNothing(held, taken)]
  const good = surprises.length === 0 && checks.every(({ holds }) => holds)
  say(checkList(checks) + surpriseList(surprises))
  say(verdict(good, good ? 'Nothing is held, and the books balance.' : 'This is not in order.'))
  return good
}

function holdsNothing(held: number, taken: number): Check {
  return {
    promise: 'nothing is held',
    holds: held === 0 && taken === 0,
    evidence: `${held} counted by the shop, ${taken} by the driver`,
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
