/**
 * Every instrument by its name: what is read when somebody collects, and what is recorded when it happens. One list of
 * what to undo.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { warnUnthrown } from '../core/misuse.ts'
import type { Channels } from '../core/watching/events.ts'
import type { Attributes, Callback, Counter, Histogram, Meter } from './meter.ts'

/** Seconds, as the conventions recommend them for operations of databases. */
const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

export class Instruments implements Disposable {
  readonly #meter: Meter
  readonly #undo: (() => void)[] = []

  constructor(meter: Meter) {
    this.#meter = meter
  }

  /**
   * What is read of the same attributes is added up. At the first collection after the disposal all is zero: an exporter
   * would go on for ever with the values that it knows.
   * @param read called at each collection
   */
  observe(name: string, unit: string, description: string, read: Callback): void {
    const instrument = this.#meter.createObservableUpDownCounter(name, { unit, description })
    let reading: Callback | undefined = read
    const callback = sumsOf((result) => {
      reading?.(result)
      // Whoever calls it is going through the list of them.
      if (reading === undefined) queueMicrotask(() => instrument.removeCallback(callback))
    })
    instrument.addCallback(callback)
    this.#undo.push(() => {
      reading = undefined
    })
  }

  counter(name: string, unit: string, description: string): Counter {
    return this.#meter.createCounter(name, { unit, description })
  }

  /** In seconds. */
  histogram(name: string, description: string): Histogram {
    const advice = { explicitBucketBoundaries: seconds }
    return this.#meter.createHistogram(name, { unit: 's', description, advice })
  }

  on<Name extends keyof Channels>(name: Name, take: (message: Channels[Name]) => void): void {
    let failed = false
    const listener = (message: unknown): void => {
      try {
        // What is published on this channel has this type.
        take(message as Channels[Name])
      } catch (error) {
        // Thrown by a subscriber, it would end the process.
        if (!failed) warnUnthrown(error, name)
        failed = true
      }
    }
    subscribe(name, listener)
    this.#undo.push(() => void unsubscribe(name, listener))
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo()
  }
}

/**
 * What has the same attributes is added up: of two pools of one name the last would be taken for both. And what is no
 * longer there is zero from now on: an exporter would go on with the value that it knows.
 */
function sumsOf(read: Callback): Callback {
  const known = new Map<string, { value: number; readonly attributes: Attributes }>()
  return (result) => {
    for (const sum of known.values()) sum.value = 0
    read({
      observe(value, attributes) {
        const key = JSON.stringify(Object.entries(attributes))
        const sum = known.get(key) ?? { value: 0, attributes }
        sum.value += value
        known.set(key, sum)
      },
    })
    for (const { value, attributes } of known.values()) result.observe(value, attributes)
  }
}
