/** The page on identities: every way that it shows is one that a config may have. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { statedIdentitySchema } from '../../src/core/identity.ts';
import { root } from './walk.ts';

const page = readFileSync(join(root, 'docs/identity.md'), 'utf8');

test('every identity that the page shows is accepted, with a path where it needs one', () => {
  const cells = [...page.matchAll(/^\|[^|]+\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) => cell.split(/;|or `v1`/).slice(0, 1));
  const shown = cells.map((cell) => (/^`([^`]+)`/.exec(cell.trim())?.[1] ?? '').replace(/^identity: /, ''));
  expect(shown.length).toBeGreaterThan(10);
  for (const text of shown) {
    if (text === 'none' || text === 'identity') continue;
    const said = parse(`{ ${text} }`) as Record<string, unknown>;
    const ways = 'header' in said || 'json' in said || 'program' in said ? {} : { header: 'x-build-guid' };
    const whole = { ...('program' in said ? {} : { path: '/healthz' }), ...ways, ...said };
    expect(statedIdentitySchema.safeParse(whole).error?.issues, text).toBeUndefined();
  }
});

test('the identity in the block of the page is accepted as it stands', () => {
  const block = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  expect(statedIdentitySchema.safeParse((parse(block) as { identity: unknown }).identity).success).toBe(true);
});
