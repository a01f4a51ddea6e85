/** Writes the example traces of test/traces.ts to fixtures/traces. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTypeScript } from './measure.mjs';

const { EXAMPLES } = await loadTypeScript('test/traces.ts');
const folder = join(import.meta.dirname, '../../fixtures/traces');
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(EXAMPLES)) writeFileSync(join(folder, `${name}.csv`), text());
