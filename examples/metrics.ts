/** docs/observability.md: metrics of an app, with the SDK of OpenTelemetry. */
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { sqliteResources } from 'unwind/better-sqlite3'

// Stands for the exporter of your collector.
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })
const provider = new MeterProvider({ readers: [reader] })
openTelemetry.setGlobalMeterProvider(provider)

// #region register
import { metrics as openTelemetry } from '@opentelemetry/api'
import { createApp } from 'unwind'
import { metrics } from 'unwind/otel'

const app = createApp({ name: 'shop' })
const meter = openTelemetry.getMeter('shop') // after your SDK was started: before, it measures nothing
app.use(metrics(app, meter, { connectionMetrics: true })) // until it closes
// #endregion

const db = sqliteResources(':memory:')
await app.run((request) => request.get(db.reader))
const open = app.child()
await open.get(db.reader)

await provider.forceFlush()
for (const { scopeMetrics } of exporter.getMetrics()) {
  for (const { descriptor, dataPoints } of scopeMetrics.flatMap(({ metrics: all }) => all)) {
    console.log(descriptor.name, descriptor.unit, dataPoints.length > 0)
  }
}
await app.close()
await provider.shutdown()
