/** docs/promises.md: every promise names the test that attacks it, and that test exists. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const TEXT = readFileSync(new URL('docs/promises.md', ROOT), 'utf8');

/** The bullets below each `**Promised**`, each as one line. */
function promised(): readonly string[] {
  const parts = TEXT.split('**Promised**').slice(1);
  return parts.flatMap((part) => {
    const bullets = (part.split('\n**')[0] ?? '').split('\n## ')[0]?.split(/^- /m).slice(1) ?? [];
    return bullets.map((bullet) => bullet.replace(/\s+/g, ' ').trim());
  });
}

describe('the page of promises', () => {
  it('the page of promises names only tests that exist', () => {
    const named = [...TEXT.matchAll(/test\/[\w./-]+\.test\.ts/g)].map(([path]) => path);
    expect(named.length).toBeGreaterThan(10);
    const missing = named.filter((path) => !existsSync(new URL(path, ROOT)));
    expect(missing).toEqual([]);
  });

  it('every promise of the page has a test behind it', () => {
    expect(promised().length).toBeGreaterThan(10);
    expect(promised().filter((bullet) => !/\(tests?: test\//.test(bullet))).toEqual([]);
  });
});
