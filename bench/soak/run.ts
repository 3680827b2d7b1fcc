/**
 * `npm run soak -- [--seconds N] [--server NAME]... [--csv PATH]`
 * Drives each server for N seconds (default 60) with clients that are answered, throw, time out, leave, vanish, read
 * slowly, pipeline and talk over sockets, and watches what its process holds: live scopes, leases, timers, heap, files.
 * The exit code is 1 unless all of them end where they started.
 */
// oxlint-disable no-await-in-loop -- one server after the other
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { plot } from './plot.ts'
import type { Sample } from './service.ts'
import { drive, type Traffic } from './traffic.ts'

type Metric = 'scopes' | 'leases' | 'timers' | 'heap' | 'files'

const metrics: readonly Metric[] = ['scopes', 'leases', 'timers', 'heap', 'files']
const known = ['http', 'express', 'fastify', 'hono', 'koa']

/** What may be more at the end: clocks that run out when nobody looks, and what the compiler has made of hot code. */
const allowance: Readonly<Record<Metric, number>> = {
  scopes: 0,
  leases: 0,
  timers: 2,
  heap: 3 * 1024 * 1024,
  files: 0,
}

/** Milliseconds between two samples, and of the traffic before the first one. */
const pause = 250
const warmUp = 3_000

interface Run {
  readonly server: string
  readonly samples: readonly (Sample & { readonly ms: number })[]
  readonly start: Sample
  readonly end: Sample
  readonly traffic: Traffic
}

process.exitCode = await main()

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      server: { type: 'string', multiple: true, default: known },
      csv: { type: 'string', default: 'soak.csv' },
    },
  })
  const seconds = Number(values.seconds)
  const unknown = values.server.find((name) => !known.includes(name))
  if (!(seconds > 0) || unknown !== undefined) {
    console.error(`--seconds wants a number, --server one of ${known.join(', ')}.`)
    return 2
  }
  const runs: Run[] = []
  let good = true
  for (const server of values.server) {
    const run = await soak(server, seconds)
    runs.push(run)
    good = report(run) && good
  }
  await writeFile(values.csv, csv(runs))
  console.log(`\nAll samples: ${values.csv}`)
  return good ? 0 : 1
}

async function soak(server: string, seconds: number): Promise<Run> {
  const service = fork(new URL('service.ts', import.meta.url), [server], {
    execArgv: ['--expose-gc', '--disable-warning=ExperimentalWarning'],
  })
  try {
    const [port] = (await once(service, 'message')) as [number]
    // What is made once is made now: connections of the framework, caches, compiled code.
    await drive(port, AbortSignal.timeout(warmUp))
    const start = await look(service, 'settle')
    const samples: Run['samples'][number][] = []
    const end = AbortSignal.timeout(seconds * 1_000)
    const driving = drive(port, end)
    const began = performance.now()
    while (!end.aborted) {
      await delay(pause)
      samples.push({ ...(await look(service, 'look')), ms: Math.round(performance.now() - began) })
    }
    const traffic = await driving
    const last = await look(service, 'settle')
    service.send('end')
    await once(service, 'exit')
    return { server, samples, start, end: last, traffic }
  } finally {
    service.kill('SIGKILL')
  }
}

async function look(service: ChildProcess, how: 'look' | 'settle'): Promise<Sample> {
  service.send(how)
  const [sample] = (await once(service, 'message')) as [Sample]
  return sample
}

/** @returns whether everything ended where it had started */
function report({ server, samples, start, end, traffic }: Run): boolean {
  const visits = Object.entries(traffic.counts).map(([kind, count]) => `${count} ${kind}`)
  console.log(`\n${server}: ${visits.join(', ')}; ${end.taken - start.taken} leases\n`)
  let good = true
  for (const metric of metrics) {
    const grown = end[metric] - start[metric]
    const holds = grown <= allowance[metric]
    good &&= holds
    const verdict = `${holds ? '✓' : '✗'} ${metric}: ${text(metric, start)} → ${text(metric, end)}`
    console.log(
      plot(
        verdict,
        samples.map((sample) => sample[metric]),
      ),
    )
  }
  const surprises = [...end.surprises, ...traffic.surprises]
  for (const surprise of surprises.slice(0, 10)) console.log(`  ✗ ${surprise}`)
  return good && surprises.length === 0
}

function text(metric: Metric, sample: Sample): string {
  const value = sample[metric]
  return metric === 'heap' ? `${(value / 1024 / 1024).toFixed(2)} MB` : String(value)
}

function csv(runs: readonly Run[]): string {
  const rows = runs.flatMap(({ server, samples }) =>
    samples.map((sample) =>
      [server, sample.ms, ...metrics.map((metric) => sample[metric])].join(','),
    ),
  )
  return `${['server,ms', ...metrics].join(',')}\n${rows.join('\n')}\n`
}
