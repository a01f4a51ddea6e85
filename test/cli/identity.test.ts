/** What a build must say for itself: silence where an answer is configured, and a redirect, are never a yes. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;

const promote = ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE];
const plan = ['plan', ...PRODUCTION, '--build', GREEN.guid];
const result = async (args: readonly string[]) => resultOf(await site.run([...args, '--json']));

beforeAll(async () => {
  site = await openLocalSite();
  site.keep('empty');
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(() => site.restore('adopted'));
afterEach(() => {
  for (const ref of ['green', 'blue']) {
    site.backend('production', ref).setEnvironment('production');
    site.backend('production', ref).setStatus(200);
  }
});

describe('what a build says for itself', () => {
  test.each([
    ['plan', plan],
    ['promote', promote],
  ])('%s refuses a build that does not send the environment header that the config names', async (_what, args) => {
    site.backend('production', 'green').setEnvironment(undefined);
    const refused = await result(args);
    expect(refused).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
    expect(refused.message).toContain('does not report its environment in x-build-environment');
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('adopt refuses a build that does not send the environment header that the config names', async () => {
    await site.restore('empty');
    site.backend('production', 'blue').setEnvironment(undefined);
    expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
  });

  test('adopt of a build that no manifest lists says how to list it', async () => {
    await site.restore('empty');
    site.backend('production', 'blue').setGuid('5e1f0000-0000-4000-8000-000000000001');
    expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({
      code: 'UNLISTED_BUILD',
      hint: expect.stringMatching(/^List it, if it belongs here: kvdeploy builds add --live --env production .*--version V$/),
    });
    site.backend('production', 'blue').setGuid(BLUE.guid);
    const rehearsed = await site.run(['doctor', ...PRODUCTION, '--break-glass']);
    expect(rehearsed.stdout).toMatch(
      /FAIL +rescue +there is no pointer in \S+: no build is known-good yet\n +try: kvdeploy adopt/,
    );
  });

  test('a redirect that carries the right GUID is never taken for the build', async () => {
    site.backend('production', 'green').setStatus(302);
    const refused = await result(promote);
    expect(refused).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
    expect(refused.message).toContain('answered 302, a redirect');
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});
