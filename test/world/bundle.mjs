/** Bundles a program of the tests into one file that node runs without a loader, with or without a change to the source it is made of. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** CommonJS packages inside the bundle call `require`. */
const banner = "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/**
 * Writes the bundle of `entry` (below the repository's root) to `outfile`. Each mutation `{ file, from, to }` is made in the text of
 * that source before it is compiled; throws unless `from` stands there exactly once, so that no mutation outlives what it was made for.
 */
export async function bundle(entry, outfile, mutations = []) {
  const texts = new Map();
  for (const { file, from, to } of mutations) {
    const path = join(root, file);
    const text = texts.get(path) ?? readFileSync(path, 'utf8');
    const times = text.split(from).length - 1;
    if (times !== 1) throw new Error(`${file} has ${times} times, not once: ${from}`);
    texts.set(
      path,
      text.replace(from, () => to),
    );
  }
  const mutate = {
    name: 'mutate',
    setup(options) {
      options.onLoad({ filter: /\.ts$/ }, ({ path }) =>
        texts.has(path) ? { contents: texts.get(path), loader: 'ts' } : undefined,
      );
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    define: { KVDEPLOY_VERSION: '"simulated"' },
    banner: { js: banner },
    logLevel: 'warning',
    plugins: [mutate],
  });
}
