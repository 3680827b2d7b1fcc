/**
 * `unwind/inspector`: what a program holds, on a live page for people at the same machine, and as a value.
 */
export { InspectorInProductionError } from './errors.ts'
export { inspector, type Inspector, type InspectorOptions } from './inspector.ts'
export { snapshot, type Snapshot } from './snapshot.ts'
