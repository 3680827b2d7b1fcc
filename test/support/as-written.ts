/** For `--import`: whatever is loaded of the compiled core is loaded from its source, whose types Node.js blanks out. */
import { registerHooks } from 'node:module'

const compiled = new URL('../../dist/core/', import.meta.url).href
const written = new URL('../../src/core/', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context)
    if (!found.url.startsWith(compiled)) return found
    const url = found.url.replace(compiled, written).replace(/\.js\b/, '.ts')
    return { ...found, url, format: 'module-typescript' }
  },
})
