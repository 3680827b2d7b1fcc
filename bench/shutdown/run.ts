/**
 * `node bench/shutdown/run.ts [--quick] [--strategy NAME]...`, after `npm run build`
 * SIGTERM under load: who is cut off, and how long does it take? Six downloads of 16 MB whose clients read slowly, a
 * request that takes 1.5 s, a connection between two requests, one that sent nothing, one with half a request head, one
 * that was upgraded, and quick requests all the time. The exit code is 1 if the strategies of this package cut an answer off, or hang.
 */
// oxlint-disable no-await-in-loop -- one after the other, or they would load each other
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { describeMachine, machine } from '../report.ts'
import { cutAmong, get, keepAsking, RawClient, SlowDownload } from './clients.ts'
import type { Answers, Made } from './clients.ts'
import { strategies } from './strategies.ts'

interface Outcome extends Answers {
  readonly ms: number | 'hung'
  readonly code: number | string
  readonly truncated: number
  readonly slow: boolean
  /** Of those that were reset, how many it had accepted. */
  readonly cut: number
}

/** Milliseconds after which a service that has not ended is killed. */
const patience = 12_000

/** Bytes a second that each download is read with. */
const rate = 6 * 1024 * 1024

process.exitCode = await main()

async function main(): Promise<number> {
  const names = Object.keys(strategies)
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      strategy: { type: 'string', multiple: true },
    },
  })
  const ours = names.filter((name) => name.startsWith('unwind'))
  const wanted = values.strategy ?? (values.quick ? ours : names)
  const unknown = wanted.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`No strategy "${unknown}": ${names.join(', ')}.`)
  console.log(`\nSIGTERM under load\n${describeMachine(machine(process.execPath))}\n`)
  console.log(
    row([
      '',
      'ends after',
      'code',
      'truncated',
      'cut',
      'at door',
      '503',
      'slow answer',
      'answered after',
    ]),
  )
  let good = true
  for (const name of wanted) {
    const outcome = await end(name)
    console.log(row(cells(name, outcome)))
    if (ours.includes(name)) good &&= isGood(name, outcome)
  }
  return good ? 0 : 1
}

/**
 * A reset at the door judges nothing: the kernel may complete a handshake after the last look at the door and before it
 * closes, and on a busy machine it does. Without a linger, a request that is on its way may find its connection closed.
 */
function isGood(name: string, { ms, code, truncated, slow, cut }: Outcome): boolean {
  const kept = cut === 0 || name === 'unwind, linger: 0'
  return ms !== 'hung' && code === 0 && truncated === 0 && slow && kept
}

async function end(name: string): Promise<Outcome> {
  const service = fork(new URL('service.ts', import.meta.url), [name], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const accepted = service.stdout === null ? '' : text(service.stdout)
  const exit = once(service, 'exit') as Promise<[number | null, string | null]>
  const [port] = (await once(service, 'message')) as [number]
  const downloads = await Promise.all(Array.from({ length: 6 }, () => SlowDownload.begin(port)))
  const others = await Promise.all([
    RawClient.open(port, get('/quick')),
    RawClient.open(port),
    RawClient.open(port, 'GET /half HTTP/1.1\r\nHost:'),
    RawClient.open(port, get('/', 'Connection: Upgrade', 'Upgrade: test')),
  ])
  const slow = await RawClient.open(port, get('/slow'))
  const asking = new AbortController()
  const made: Made = new Map()
  await keepAsking(port, 8, made, AbortSignal.timeout(500))
  const answers = keepAsking(port, 8, made, asking.signal)
  await delay(50)
  service.kill('SIGTERM')
  const start = performance.now()
  const reading = Promise.all(downloads.map((download) => download.readOn(rate)))
  const ended = await atMost(exit, service)
  const ms = ended === undefined ? 'hung' : Math.round(performance.now() - start)
  asking.abort()
  const [code, signal] = await exit
  await reading
  await Promise.all([slow.closed, ...others.map(({ closed }) => closed)])
  return {
    ms,
    code: code ?? signal ?? '',
    truncated: downloads.filter(({ whole }) => !whole).length,
    slow: slow.head.endsWith('done'),
    cut: cutAmong((await answers).resets, portsIn(await accepted)).length,
    ...(await answers),
  }
}

/** What the service has written; one that was killed has written nothing. */
function portsIn(written: string): number[] {
  return written === '' ? [] : (JSON.parse(written) as number[])
}

/** The exit of `service`; undefined where it had to be killed. */
async function atMost<T>(exit: Promise<T>, service: ChildProcess): Promise<T | undefined> {
  const timer = new AbortController()
  const hung = delay(patience, undefined, { signal: timer.signal }).catch(() => {})
  const ended = await Promise.race([exit, hung])
  timer.abort()
  if (ended === undefined) service.kill('SIGKILL')
  return ended ?? undefined
}

function cells(name: string, outcome: Outcome): string[] {
  const { ms, code, truncated, cut, reset, turnedAway, slow, answered } = outcome
  const time = ms === 'hung' ? 'HUNG' : `${(ms / 1_000).toFixed(1)} s`
  const delivered = slow ? 'delivered' : 'LOST'
  return [
    name,
    time,
    String(code),
    `${truncated} of 6`,
    String(cut),
    String(reset - cut),
    String(turnedAway),
    delivered,
    String(answered),
  ]
}

function row(columns: string[]): string {
  const [name = '', ...rest] = columns
  return (
    name.padEnd(32) +
    rest.map((cell, i) => cell.padStart([10, 9, 11, 5, 9, 6, 13, 16][i] ?? 0)).join('')
  )
}
