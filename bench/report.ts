/**
 * What the processes found out, as a table and as JSON: ratios first, because nanoseconds are those of one machine.
 */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { median, type Measured } from './harness.ts'
import { picture } from './picture.ts'

/** Of several processes. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Row {
  readonly name: string
  readonly ratio: Spread
  readonly nanoseconds: Spread
  readonly bytes?: number
  readonly turns?: number
}

export interface Machine {
  readonly node: string
  readonly processor: string
  readonly cores: number
  /** Over the last minute, when the suite began. */
  readonly load: number
  readonly date: string
}

export interface Result {
  readonly suite: string
  readonly question: string
  readonly machine: Machine
  readonly quick: boolean
  readonly rows: readonly Row[]
}

/** @param node the path of the one that runs the suites */
export function machine(node: string): Machine {
  const all = cpus()
  return {
    node: spawnSync(node, ['--version']).stdout.toString().trim().slice(1),
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    load: Number(loadavg()[0]?.toFixed(2)),
    date: new Date().toISOString(),
  }
}

export function describeMachine({ node, processor, cores, load, date }: Machine): string {
  return `Node.js ${node} · ${processor}, ${cores} cores · load ${load} · ${date.slice(0, 16)}Z`
}

/** Each process found the same cases, in the same order. */
export function combine(runs: readonly (readonly Measured[])[]): Row[] {
  const [first = []] = runs
  return first.map((one, index) =>
    row(
      one,
      runs.flatMap((run) => run[index] ?? []),
    ),
  )
}

function row({ name, turns }: Measured, same: readonly Measured[]): Row {
  const bytes = same.flatMap((one) => one.bytes ?? [])
  return {
    name,
    ratio: spread(same.map(({ ratio }) => ratio)),
    nanoseconds: spread(same.map(({ nanoseconds }) => nanoseconds)),
    ...(bytes.length > 0 && { bytes: Math.round(median(bytes)) }),
    ...(turns !== undefined && { turns }),
  }
}

function spread(numbers: readonly number[]): Spread {
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers) }
}

/** The first row is the baseline: its ratio is that of the two samples taken of it in each round. */
export function table(rows: readonly Row[]): string {
  const head = ['', 'ratio', '(min–max)', 'ns', 'bytes', 'turns']
  const lines = rows.map(({ name, ratio, nanoseconds, bytes, turns }) => [
    name,
    ratio.median.toFixed(2),
    `(${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`,
    nanoseconds.median.toFixed(nanoseconds.median < 100 ? 1 : 0),
    bytes === undefined ? '–' : String(bytes),
    turns === undefined ? '–' : String(turns),
  ])
  const widths = head.map((_, at) =>
    Math.max(...[head, ...lines].map((line) => line[at]?.length ?? 0)),
  )
  return [head, ...lines].map((line) => align(line, widths)).join('\n')
}

/** The name to the left, numbers to the right. */
function align(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
    .join('  ')
}

/** Numbers and picture, beside each other. */
export async function write(result: Result): Promise<void> {
  const [major] = result.machine.node.split('.')
  const name = `${result.suite}-node${major}`
  const folder = new URL('results/', import.meta.url)
  await writeFile(new URL(`${name}.json`, folder), `${JSON.stringify(result, null, 2)}\n`)
  await writeFile(new URL(`${name}.svg`, folder), picture(result))
}
