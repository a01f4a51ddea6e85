import { expect, test } from 'vitest';
import type { Columns } from '../../../src/base/changes/change.ts';
import { compactRows } from '../../../src/routers/haproxy/haproxy-rows.ts';

const READY: Columns = { srv_uweight: ['256'] };
const OUT: Columns = { srv_uweight: ['0'] };

test('rows of which many are alike are named together, and the few others one by one', () => {
  const rows = Object.fromEntries([
    ...Array.from({ length: 4000 }, (_, at) => [`spare-${at}`, { ...OUT }] as const),
    ['g1', READY],
    ['g2', READY],
  ]);
  const { rows: single, groups } = compactRows(rows);
  expect(single).toEqual({ g1: READY, g2: READY });
  expect(groups).toEqual([{ keys: Array.from({ length: 4000 }, (_, at) => `spare-${at}`), columns: OUT }]);
  expect(JSON.stringify(compactRows(rows)).length).toBeLessThan(JSON.stringify(rows).length / 2);
});

test('a few rows stay as they are, without any group', () => {
  const rows = { g1: READY, g2: READY, b1: OUT };
  expect(compactRows(rows)).toEqual({ rows });
});
