/** Writes schemas/ from the zod definitions, and the table of docs/routers.md from the registry of routers. Run it after changing one, or after adding a router or a metric source. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = `export { schemaNames, schemaText } from './src/config/json-schemas.ts';
export { promisesTable, withTable } from './test/docs/router-table.ts';
export { routers } from './src/routers/index.ts';`;
const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-schemas-'));
try {
  const outfile = join(folder, 'schemas.mjs');
  await build({
    absWorkingDir: root,
    stdin: { contents: ENTRY, resolveDir: root, loader: 'ts' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    outfile,
    logLevel: 'error',
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  });
  const { schemaNames, schemaText, promisesTable, routers, withTable } = await import(pathToFileURL(outfile).href);
  for (const name of schemaNames) writeFileSync(join(root, 'schemas', `${name}.json`), schemaText(name));
  const page = join(root, 'docs/routers.md');
  writeFileSync(page, withTable(readFileSync(page, 'utf8'), promisesTable(routers)));
} finally {
  rmSync(folder, { recursive: true });
}
