/**
 * The part of an OpenTelemetry `Meter` that is used, by its shape: neither the code nor the declarations need the package.
 */
import { expected } from '../core/options.ts'

export type Attributes = Record<string, string>

interface InstrumentOptions {
  readonly description: string
  readonly unit: string
  readonly advice?: { readonly explicitBucketBoundaries: number[] }
}

export interface Counter {
  add(value: number, attributes: Attributes): void
}

export interface Histogram {
  record(value: number, attributes: Attributes): void
}

interface Observation {
  observe(value: number, attributes: Attributes): void
}

export type Callback = (result: Observation) => void

interface Observable {
  addCallback(callback: Callback): void
  removeCallback(callback: Callback): void
}

export interface Meter {
  createCounter(name: string, options: InstrumentOptions): Counter
  createHistogram(name: string, options: InstrumentOptions): Histogram
  createObservableUpDownCounter(name: string, options: InstrumentOptions): Observable
}

const methods = ['createCounter', 'createHistogram', 'createObservableUpDownCounter'] as const

/** @throws {TypeError} for anything else */
export function meterOf(given: unknown): Meter {
  // It may be anything, and what is not there is not called.
  const meter = given as Partial<Meter> | null | undefined
  if (methods.every((name) => typeof meter?.[name] === 'function')) {
    // The rest of its shape is OpenTelemetry's to keep.
    return meter as Meter
  }
  throw expected('the second argument of metrics()', 'a Meter of OpenTelemetry', given)
}
