/** Bundles a program of the attacks, so that each of its many runs starts as quickly as the product does. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { freshFolder } from '../fresh-folder.ts';

/** Builds `<name>.ts` of this folder; returns the file. */
export async function buildProgram(name: string): Promise<string> {
  // Only what is called kvdeploy is ever ended.
  const outfile = join(freshFolder(), 'kvdeploy.mjs');
  const entry = join(import.meta.dirname, `${name}.ts`);
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    external: ['execa'],
    minify: true,
  });
  return outfile;
}
