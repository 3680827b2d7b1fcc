/** The real SDK, with a reader that collects when it is asked to. */
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type DataPoint,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics'
import type { Meter } from '@opentelemetry/api'
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'

export interface Sdk {
  readonly meter: Meter
  collect(): Promise<Collected>
}

export function openTelemetry(t: TestContext): Sdk {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  // Never by itself: its timer is not what is tested.
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 600_000 })
  const provider = new MeterProvider({ readers: [reader] })
  t.after(() => provider.shutdown())
  return {
    meter: provider.getMeter('test'),
    async collect() {
      exporter.reset()
      await provider.forceFlush()
      const [exported] = exporter.getMetrics()
      return new Collected(exported?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? [])
    },
  }
}

export class Collected {
  readonly #metrics: readonly MetricData[]

  constructor(metrics: readonly MetricData[]) {
    this.#metrics = metrics
  }

  get names(): string[] {
    return this.#metrics.map(({ descriptor }) => descriptor.name).toSorted()
  }

  find(name: string): MetricData {
    const found = this.#metrics.find(({ descriptor }) => descriptor.name === name)
    assert.ok(found !== undefined, `${name} is not among ${this.names.join(', ')}`)
    return found
  }

  /** The value of a sum at these attributes, and no others. */
  sum(name: string, attributes: Readonly<Record<string, string>>): number | undefined {
    const metric = this.find(name)
    assert.equal(metric.dataPointType, DataPointType.SUM)
    return this.#point(metric.dataPoints, attributes)?.value
  }

  histogram(name: string, attributes: Readonly<Record<string, string>>): Histogram | undefined {
    const metric = this.find(name)
    assert.equal(metric.dataPointType, DataPointType.HISTOGRAM)
    return this.#point(metric.dataPoints, attributes)?.value
  }

  #point<T>(
    points: readonly DataPoint<T>[],
    attributes: Readonly<Record<string, string>>,
  ): DataPoint<T> | undefined {
    const same = (other: object): boolean => {
      const [a, b] = [other, attributes].map((one) =>
        JSON.stringify(Object.entries(one).toSorted()),
      )
      return a === b
    }
    return points.find((point) => same(point.attributes))
  }
}
