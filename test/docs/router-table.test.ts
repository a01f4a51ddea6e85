/** The table of what each router can promise. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { routers } from '../../src/routers/index.ts';
import { promisesTable, withTable } from './router-table.ts';

test('the table of docs/routers.md is what the routers promise', () => {
  const page = readFileSync('docs/routers.md', 'utf8');
  expect(page, 'npm run schemas').toBe(withTable(page, promisesTable(routers)));
  for (const { kind } of routers) expect(page).toContain(`\`${kind}\``);
});
