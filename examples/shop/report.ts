/** What is printed at the end, at most 100 columns wide. The exit code depends on nothing that is computed here. */
import { styleText } from 'node:util'

import type { Check } from './audit.ts'
import type { Count, Meter } from './meter.ts'
import type { Crowd, Traffic } from './traffic.ts'

type Cell = string | number

export function title(store: string): string {
  return lines(
    '',
    `${styleText('bold', 'unwind shop')} · ${store} · Node.js ${process.versions.node}`,
  )
}

/** What became of every kind of customer. */
export function trafficTable({ requests, sockets, ms }: Traffic): string {
  const columns = ['count', 'p50', 'p99', 'outcome']
  const crowds = [...requests, ...sockets]
  const count = crowds.reduce(
    (sum, { times, surprises }) => sum + times.length + surprises.length,
    0,
  )
  return lines(
    ...table(['requests', ...columns], requests.map(crowdRow), crowdWidths),
    '',
    ...table(['sockets', ...columns], sockets.map(crowdRow), crowdWidths),
    '',
    dim(
      `  ${text(count)} customers in ${(ms / 1_000).toFixed(1)} s. Times run to the answer, or, where the client left,`,
    ),
    dim('  until the shop had taken everything back.'),
  )
}

const crowdWidths = [26, 9, 13, 13, 24]

function crowdRow({ customer, times, surprises }: Crowd): Cell[] {
  const sorted = times.toSorted((a, b) => a - b)
  const [p50, p99] = [0.5, 0.99].map((share) => milliseconds(quantile(sorted, share)))
  return [customer.name, times.length + surprises.length, p50 ?? '', p99 ?? '', customer.ends]
}

/** What was taken and given back. */
export function heldTable({ counts }: Meter): string {
  const outcomes = ['success', 'failure', 'aborted']
  const head = ['', 'acquired', 'released', ...outcomes, 'rolled back', 'held now']
  const { requests, sockets, transactions } = counts
  const rows = [
    countRow('request scopes', requests, '–'),
    countRow('socket scopes', sockets, '–'),
    countRow('transactions', transactions, rolledBack(transactions)),
  ]
  const { missed } = transactions
  const remark = `  ${text(missed)} orders were given up before their turn at the database came.`
  return lines(
    ...table(head, rows, [16, 11, 11, 10, 10, 10, 14, 11]),
    ...(missed > 0 ? ['', dim(remark)] : []),
  )
}

function countRow(name: string, { acquired, released, ended, held }: Count, back: Cell): Cell[] {
  const { success, failure, aborted } = ended
  return [name, acquired, released, success, failure, aborted, back, held]
}

function rolledBack({ ended }: Count): number {
  return ended.failure + ended.aborted + ended.unknown
}

/** One line for each check. */
export function checkList(checks: readonly Check[]): string {
  const rows = checks.map(({ promise, holds, evidence }) => {
    const mark = holds ? styleText('green', '✓') : styleText('red', '✗')
    return `  ${mark} ${promise.padEnd(50)}${dim(evidence)}`
  })
  return lines(...rows)
}

/** The first few of what did not go as planned. */
export function surpriseList(surprises: readonly string[], most = 10): string {
  const shown = surprises.slice(0, most).map((surprise) => `  ${styleText('red', '✗')} ${surprise}`)
  const rest = surprises.length - shown.length
  return lines(...shown, ...(rest > 0 ? [`    and ${text(rest)} more`] : []))
}

export function verdict(good: boolean, sentence: string): string {
  return styleText(['bold', good ? 'green' : 'red'], sentence)
}

function table(
  head: readonly string[],
  rows: readonly Cell[][],
  widths: readonly number[],
): string[] {
  const line = (cells: readonly Cell[]): string =>
    `  ${cells.map((cell, i) => pad(text(cell), widths[i] ?? 0, i)).join('')}`.trimEnd()
  return [styleText('bold', line(head)), ...rows.map(line)]
}

/** Names to the left, numbers to the right. */
function pad(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}

function text(cell: Cell): string {
  return typeof cell === 'number' ? cell.toLocaleString('en') : cell
}

function milliseconds(ms: number | undefined): string {
  return ms === undefined ? '–' : `${ms.toFixed(1)} ms`
}

/** The nearest rank: a time that was really measured. */
function quantile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
}

function dim(line: string): string {
  return styleText('dim', line)
}

function lines(...all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('')
}
