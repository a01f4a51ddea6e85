import { afterAll, beforeAll, expect, test } from 'vitest';
import { GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
beforeAll(async () => {
  site = await openLocalSite(['production']);
});
afterAll(() => site.close());

test('a rehearsal right after a promotion on the local router finds no difference', async () => {
  const run = async (...words: readonly string[]) => resultOf(await site.run([...words, ...PRODUCTION, ...SURE, '--json']));
  expect(await run('adopt')).toMatchObject({ ok: true });
  expect(await run('promote', '--build', GREEN.guid)).toMatchObject({ ok: true });
  const program = `node ${site.stateDir}/acme/production/kv-gateway/pointer/break-glass.mjs`;
  const { exitCode, stdout } = await site.shell(`${program} --rehearse ${PRODUCTION.join(' ')}`);
  expect([exitCode, stdout]).toEqual([0, expect.stringContaining('this build already serves all traffic')]);
});
