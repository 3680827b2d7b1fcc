/**
 * What is published, as a user gets it: `node test/package/run.ts [TARBALL]`. Packs, installs into an empty project, and looks at
 * the files, at how they load, at their maps, their types and their size.
 */
import { checkContents } from './contents.ts'
import { checkLoading, checkSourceMaps } from './loading.ts'
import { Project } from './project.ts'
import { checkBundle, printSizes } from './sizes.ts'
import { checkTypes } from './types.ts'

using project = new Project(process.argv[2])
checkContents(project)
checkLoading(project)
checkSourceMaps(project)
await checkBundle(project)
checkTypes(project)
await printSizes(project)
