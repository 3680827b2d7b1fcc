/**
 * `unwind/node`: Node's own resources, ended the way one means it. Importing it installs nothing.
 */
export { closing } from './closing.ts'
export { exiting } from './exiting.ts'
export { finishing } from './finishing.ts'
export { shutdownOnSignals } from './shutdown-on-signals.ts'
