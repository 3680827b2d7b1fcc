/** `npm run docs`: cuts the code blocks of the pages from their examples anew, and their output with `--run`. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'

import { fenced, pages, regionOf } from './pages.ts'
import { pathOf, read } from './repository.ts'

function contentOf(origin: string, before: string): string {
  if (!origin.startsWith('output of ')) return `${regionOf(origin).trimEnd()}\n`
  const example = /^output of (\S+\.ts)$/.exec(origin)?.[1]
  if (!process.argv.includes('--run') || example === undefined) return before
  return execFileSync(process.execPath, [pathOf(example)], { encoding: 'utf8' })
}

for (const page of pages) {
  const text = read(page)
  const cut = text.replaceAll(fenced, (block: string, origin: string | undefined, ...rest) => {
    const [language, before] = rest as [string, string]
    if (origin === undefined) return block
    return `<!-- ${origin} -->\n\n\`\`\`${language}\n${contentOf(origin, before)}\`\`\``
  })
  if (cut !== text) writeFileSync(pathOf(page), cut)
}
