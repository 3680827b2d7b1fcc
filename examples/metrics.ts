/** docs/observability.md: metrics of an app, with the SDK of OpenTelemetry. */
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { createApp, resource } from 'unwind'
import { metrics } from 'unwind/otel'

// Stands for the exporter of your collector.
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })
const provider = new MeterProvider({ readers: [reader] })

// #region register
const app = createApp({ name: 'shop' })
app.use(metrics(app, provider.getMeter('shop'), { connectionMetrics: true })) // until it closes
// #endregion

const connection = resource({ name: 'connection', acquire: () => ({}), release: () => {} })
await app.run((request) => request.get(connection))
const open = app.child()
await open.get(connection)

await provider.forceFlush()
for (const { scopeMetrics } of exporter.getMetrics()) {
  for (const { descriptor, dataPoints } of scopeMetrics.flatMap(({ metrics: all }) => all)) {
    console.log(descriptor.name, descriptor.unit, dataPoints.length > 0)
  }
}
await app.close()
await provider.shutdown()
