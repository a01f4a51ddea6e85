/** Writes schemas/ from the zod definitions. Run it after changing one, or after adding a router or a metric source. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-schemas-'));
try {
  const outfile = join(folder, 'schemas.mjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['src/config/json-schemas.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile,
    logLevel: 'error',
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  const { schemaNames, schemaText } = await import(pathToFileURL(outfile).href);
  for (const name of schemaNames) writeFileSync(join(root, 'schemas', `${name}.json`), schemaText(name));
} finally {
  rmSync(folder, { recursive: true });
}
