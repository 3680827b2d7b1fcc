/** A line plot for the terminal: one line of text for each row, time runs to the right. */

const width = 64
const rows = 5

export function plot(name: string, values: readonly number[]): string {
  const points = resample(values, width)
  const low = Math.min(...points)
  const high = Math.max(...points)
  const level = (value: number): number =>
    high === low ? 0 : Math.round(((value - low) / (high - low)) * (rows - 1))
  const grid = Array.from({ length: rows }, () => Array<string>(points.length).fill(' '))
  const set = (row: number, column: number, sign: string): void => {
    const line = grid[rows - 1 - row]
    if (line !== undefined) line[column] = sign
  }
  let before = level(points[0] ?? 0)
  for (const [column, value] of points.entries()) {
    const now = level(value)
    if (now === before) set(now, column, '─')
    else join(set, column, before, now)
    before = now
  }
  const label = (row: number): string => {
    if (row === 0) return short(high)
    return row === rows - 1 ? short(low) : ''
  }
  const lines = grid.map((line, row) => `${label(row).padStart(9)} ┤${line.join('').trimEnd()}`)
  return [`  ${name}`, ...lines].join('\n')
}

function join(
  set: (row: number, column: number, sign: string) => void,
  column: number,
  from: number,
  to: number,
): void {
  const up = to > from
  set(from, column, up ? '╯' : '╮')
  set(to, column, up ? '╭' : '╰')
  for (let row = Math.min(from, to) + 1; row < Math.max(from, to); row += 1) set(row, column, '│')
}

/** The highest value of each part: a peak must not be lost. */
function resample(values: readonly number[], length: number): number[] {
  if (values.length <= length) return [...values]
  return Array.from({ length }, (_, i) => {
    const start = Math.floor((i * values.length) / length)
    const end = Math.floor(((i + 1) * values.length) / length)
    return Math.max(...values.slice(start, end))
  })
}

function short(value: number): string {
  return value >= 100_000 ? `${(value / 1024 / 1024).toFixed(1)} MB` : String(Math.round(value))
}
