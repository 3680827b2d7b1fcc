/** Garbage collection on demand, without a flag on the command line. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Of everything, unless it is told to look at what is young alone. */
// The name is only there in contexts that are made after the flag.
export const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void
