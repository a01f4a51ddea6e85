/** Faults of what a checkout may contain. */
import { type Mutant, mutant } from './mutant.ts';

const WALK = 'config/data-files.ts';

export const OF_THE_FILES: readonly Mutant[] = [
  mutant(
    'what is no file is passed over in the manifest folder',
    'odd files',
    WALK,
    'else this.find(file, notAFile(`This is ${kindOf(stat)},',
    'else Object.is(file, notAFile(`This is ${kindOf(stat)},',
  ),
  mutant(
    'a link is passed over in the manifest folder',
    'odd files',
    WALK,
    'else if (stat.isSymbolicLink()) this.find(file, SYMLINK);',
    'else if (stat.isSymbolicLink()) return;',
  ),
  mutant(
    'a manifest with another ending is passed over',
    'odd files',
    WALK,
    "if (!MANIFEST_LINE.test(Buffer.from(read.bytes).toString('latin1'))) return;",
    'if (!MANIFEST_LINE.test(file)) return;',
  ),
  mutant(
    'a manifest in a skipped folder is passed over',
    'odd files',
    WALK,
    'if (SKIPPED_FOLDERS.has(name)) this.#skipped(file);',
    'if (SKIPPED_FOLDERS.has(name)) return;',
  ),
  mutant(
    'a version may have more than one line',
    'lines',
    'core/manifest/manifest.ts',
    '  version: oneLine(buildSchema.shape.version)',
    '  version: buildSchema.shape.version',
  ),
  mutant(
    'one commit has one GUID in every environment',
    'listings',
    'core/manifest/build-guid.ts',
    'uuidV5(OF_URLS, `kvdeploy:${scopeText(scope)}`)',
    'uuidV5(OF_URLS, `kvdeploy:${scope.service}`)',
  ),
  mutant(
    'the ticket of a living writer of a manifest is swept',
    'listings',
    'release/listing/turn.ts',
    "return seen.is === 'gone' ||",
    "return seen.is !== 'unsure' ||",
  ),
  mutant(
    'two writers of a manifest go on that looked at once',
    'listings',
    'release/listing/turn.ts',
    'if (others(dirname(file), start, mine, io).length === 0) return',
    'if (others(dirname(file), start, mine, io).length < 9) return',
  ),
  mutant(
    'a password in the address of a repository is stored',
    'listings',
    'release/listing/given.ts',
    'if (hasSecret(repository)) {',
    'if (Object.is(hasSecret(repository), 0)) {',
  ),
];
