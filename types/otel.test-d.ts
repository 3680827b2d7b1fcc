/**
 * The types of `unwind/otel`, signature by signature. Each `expectError` forbids the mistake that the comment above it
 * names.
 */
import type { Meter } from '@opentelemetry/api'
import { expectError, expectType } from 'tsd'
import { createApp } from 'unwind'
import { metrics } from 'unwind/otel'

declare const meter: Meter
const app = createApp()

expectType<Disposable>(metrics(app, meter))
expectType<Disposable>(metrics(app, meter, { connectionMetrics: true }))
// A scope instead of its app.
expectError(metrics(app.child(), meter))
// The meter forgotten.
expectError(metrics(app))
// A misspelt option.
expectError(metrics(app, meter, { connections: true }))
