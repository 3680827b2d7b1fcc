/**
 * What users named, as it may be shown: without what a name may carry by mistake (a token in a query, a password in a
 * URL), and never longer than a line can be.
 */

const longestName = 120
const longestSite = 1_200

/** A name of a scope, a resource or a pool. */
export function cleanName(name: string): string {
  const start = name.slice(0, 2 * longestName)
  return shortened(withoutSecrets(start, /\?\S*/g), longestName)
}

/** Where something was acquired: relative to where the program was started, without the query of a module. */
export function cleanSite(site: string): string {
  const here = `${process.cwd()}/`
  const start = site
    .slice(0, 2 * longestSite)
    .replaceAll('file://', '')
    .replaceAll(here, '')
  return shortened(withoutSecrets(start, /\?[^\s:)]*/g), longestSite)
}

/** Behind a `:` without a space there may be the number of a line. */
const secret =
  /(password|passwd|pwd|secret|token|api[-_]?key|authorization)(\s*=\s*|\s*:\s+)(?:(?:basic|bearer)\s+)?\S+/gi

/** `//user:password@host` loses the user, `password=…` its value, and a path its query. */
function withoutSecrets(text: string, query: RegExp): string {
  const plain = text.replaceAll(/\/\/[^\s/]*@/g, '//').replaceAll(secret, '$1$2…')
  return plain.includes('/') ? plain.replaceAll(query, '') : plain
}

function shortened(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}
