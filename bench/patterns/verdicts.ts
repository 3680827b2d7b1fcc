/** What was found, as a table, and what it means, as far as it was measured. */
import { leaves, titles, type Finding, type PatternName } from './patterns.ts'

const head = ['', 'req/s', 'p50', 'p99', 'alone', 'backends', 'left', 'memory', 'errors']

export function table(findings: readonly Finding[]): string {
  const rows = findings.map((one) => [
    titles[one.pattern],
    one.perSecond.toFixed(0),
    milliseconds(one.p50),
    milliseconds(one.p99),
    one.alone === undefined ? '–' : milliseconds(one.alone),
    String(one.backends),
    String(one.left),
    `${(one.memory / 1024 / 1024).toFixed(0)} MB`,
    String(one.errors),
  ])
  const widths = head.map((_, at) =>
    Math.max(...[head, ...rows].map((row) => (row[at] ?? '').length)),
  )
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  '),
    )
    .join('\n')
}

/** Of those that must. */
export function holds({ pattern, errors, left }: Finding): boolean {
  return leaves(pattern) || (errors === 0 && left === 0)
}

/** Of one distance. */
export function verdicts(findings: readonly Finding[]): string[] {
  const leased = findings.find(({ pattern }) => pattern === 'leased')
  return findings.map((one) => `${titles[one.pattern]}: ${verdict(one, leased)}.`)
}

function verdict(one: Finding, leased: Finding | undefined): string {
  if (one.errors > 0) return failure(one)
  if (one.left > 0) return `${one.left} connections are open after every client has left`
  return `nobody failed, nothing is left${comparison(one, leased)}`
}

function failure({ pattern, errors, firstError, left }: Finding): string {
  const first =
    firstError && `after ${firstError.answers} answers and ${milliseconds(firstError.ms)}`
  const who = isOfSockets(pattern) ? 'clients' : 'requests'
  return `fails ${first}: ${firstError?.text}; ${errors} ${who} failed, ${left} connections are left open`
}

function comparison(one: Finding, leased: Finding | undefined): string {
  if (leased === undefined || one === leased || isOfSockets(one.pattern)) return ''
  const share = `${(one.perSecond / leased.perSecond).toFixed(2)} × the requests of a lease`
  const more = (one.alone ?? NaN) - (leased.alone ?? NaN)
  const sign = more < 0 ? '−' : '+'
  return `; ${share}, ${sign}${milliseconds(Math.abs(more))} for a request that is alone`
}

function isOfSockets(pattern: PatternName): boolean {
  return pattern.startsWith('sockets')
}

export function milliseconds(number: number): string {
  return `${number.toFixed(number < 10 ? 1 : 0)} ms`
}
