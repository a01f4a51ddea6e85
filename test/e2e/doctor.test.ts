/** doctor on real HAProxy: all of it looks, over the sockets that a rescue would use, and nothing at the router changes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSite, type Site } from './site.ts';

let site: Site;
beforeAll(async () => {
  site = await openSite({ sockets: 2 });
});
afterAll(() => site.close());

test('doctor finds everything in place at two locations, and leaves weights and states alone', async () => {
  const before = [await site.split(), await site.states()];
  const { exitCode, stdout } = await site.run('doctor --env production');
  expect(stdout).not.toMatch(/^ {2}(?:FAIL|warn)/m);
  expect(exitCode).toBe(0);
  expect([await site.split(), await site.states()]).toEqual(before);
});

test('doctor rehearses break-glass over the sockets, which need no network', async () => {
  const { exitCode, stdout } = await site.run('doctor --env production --break-glass');
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('without any network, it makes the same decision')]);
  expect(stdout).toMatch(/read back +✔ REHEARSED/);
});

test('doctor says which location hangs, and ends within 15 s', async () => {
  await site.haproxy.freeze(1);
  const startedMs = performance.now();
  const { exitCode, stdout } = await site.run('doctor --env production');
  expect(performance.now() - startedMs).toBeLessThan(15_000);
  await site.haproxy.thaw(1);
  expect(exitCode).toBe(9);
  expect(stdout).toMatch(/FAIL {2}router +HAProxy at .* cannot be queried/);
});
