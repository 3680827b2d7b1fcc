/**
 * What users named, as it may be shown: without what a name may carry by mistake (a token in a query, a password in a
 * URL), and never longer than a line can be.
 */

const longestName = 120
const longestSite = 1_200

/** A name of a scope, a resource or a pool. */
export function cleanName(name: string): string {
  return shortened(withoutSecrets(name), longestName)
}

/** Where something was acquired: relative to where the program was started, without the query of a module. */
export function cleanSite(site: string): string {
  const here = `${process.cwd()}/`
  return shortened(withoutSecrets(site.replaceAll('file://', '').replaceAll(here, '')), longestSite)
}

/** `//user:password@host` loses the user, and `/path?query` the query. */
function withoutSecrets(text: string): string {
  return text
    .slice(0, longestSite * 2)
    .replaceAll(/\/\/[^\s/@]*@/g, '//')
    .replaceAll(/(\/[^\s?]*)\?[^\s:)]*/g, '$1')
}

function shortened(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text
}
