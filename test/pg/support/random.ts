/** What the random programs are made of: choices that follow from a seed, moments, a bound for all that waits, and what may fail. */
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds after which something hangs, on any machine. */
const tooLong = 60_000

/** From 0 to 1. */
export type Random = () => number

export function newSeed(): number {
  return Number(process.env['STRESS_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
}

/** The same numbers for the same seed: a linear congruence, mixed. */
export function randomFrom(seed: number): Random {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c_1b_3c_6d)
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32
  }
}

export function oneOf<T>(all: readonly T[], random: Random): T {
  // There is one.
  return all[Math.floor(random() * all.length)] as T
}

/** Some turns of the event loop, or some milliseconds. */
export async function moment(random: Random): Promise<void> {
  if (random() < 0.3) await pause(random() * 5)
  for (let turns = Math.floor(random() * 6); turns > 0; turns -= 1) {
    await new Promise(setImmediate)
  }
}

/** Aborts after a moment. */
export function soon(random: Random): AbortSignal {
  const controller = new AbortController()
  void moment(random).then(() => controller.abort())
  return controller.signal
}

export async function notTooLong<T>(work: Promise<T>, what = 'It'): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs.`)), tooLong)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What befalls those who leave in the middle of something. */
export const befalls: ReadonlySet<string> = new Set([
  'ERR_DISPOSED',
  'ERR_PG_CURSOR_OPEN',
  'ERR_PG_LOCK_NOT_AVAILABLE',
  'ERR_PG_ROLLED_BACK',
  'ERR_PG_TRANSACTION_OPEN',
  // Cancelled; a statement in a transaction that has failed; a division by zero.
  '57014',
  '25P02',
  '22012',
])

/** It was aborted, or has one of these codes. */
export function isAmong(codes: ReadonlySet<string>, error: unknown): boolean {
  const { code, name } = error as { code?: unknown; name?: unknown }
  return name === 'AbortError' || codes.has(String(code))
}
