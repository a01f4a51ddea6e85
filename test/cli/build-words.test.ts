/** Builds that say their commit in place of a GUID, or nothing at all: what is proven then, and what is refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AMBER, BLUE, GLOBEX, GREEN, IN_GLOBEX, type Name, PRODUCTION, SCOPES, STAGING, SURE, VIOLET } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;

const COMMIT = '{ path: /healthz, header: x-build-guid, is: commit, environmentHeader: x-build-environment }';
const COMMIT_ALONE = '{ path: /healthz, header: x-build-guid, is: commit }';
const result = async (args: readonly string[]) => resultOf(await site.run([...args, '--json']));
const adopt = ['adopt', ...PRODUCTION, ...SURE];
const plan = (guid: string) => ['plan', ...PRODUCTION, '--build', guid];

/** From now on every build says the commit that it was built from. */
function sayCommits(name: Name): void {
  for (const { ref, commit } of SCOPES[name].builds.toReversed()) site.backend(name, ref).setGuid(commit);
}

beforeAll(async () => {
  site = await openLocalSite(['production', 'globex']);
  site.keep('empty');
  sayCommits('production');
  sayCommits('globex');
  site.writeConfig({ identity: COMMIT });
  expect(await result(adopt)).toMatchObject({ ok: true });
  expect(await result(['adopt', ...IN_GLOBEX, '--yes'])).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  await site.restore('adopted');
  sayCommits('production');
  sayCommits('globex');
  site.writeConfig({ identity: COMMIT });
});

describe('a commit', () => {
  test('builds that say their commit and environment are adopted, promoted and rescued, and what they say is shown', async () => {
    const promoted = await result(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE]);
    expect(promoted).toMatchObject({ ok: true });
    expect((await site.run(['builds', ...PRODUCTION])).stdout).toMatch(/7c9e6679.*live 100 %/);
    expect((await site.run(['status', ...PRODUCTION])).stdout).toContain(`green  commit ${GREEN.commit}`);
    const doctor = (await site.run(['doctor', ...PRODUCTION])).stdout;
    expect(doctor).toMatch(/7c9e6679 answers.*commit [0-9a-f]+ of production; asked as http:\/\/127\.0\.0\.1:\d+\/healthz/);
    site.backend('production', 'blue').setGuid(STAGING.green.commit);
    const rescue = [
      'rollback',
      '--break-glass',
      ...PRODUCTION,
      '--to',
      BLUE.guid,
      '--reason',
      'gateway answers 401',
      '--state-dir',
      site.stateDir,
      ...SURE,
    ];
    const gone = await site.run(rescue);
    expect(`${gone.exitCode} ${gone.stderr}`).toMatch(/^3 /);
    expect(gone.stdout + gone.stderr).toContain(`not ${BLUE.commit}`);
    site.backend('production', 'blue').setGuid(BLUE.commit);
    expect((await site.run(rescue)).exitCode).toBe(0);
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a rollout that is left between its steps is as it should be while both builds say their commits', async () => {
    const left = await result(['promote', ...PRODUCTION, '--build', GREEN.guid, '--until', '25', ...SURE]);
    expect(left).toMatchObject({ ok: true });
    const status = await site.run(['status', ...PRODUCTION]);
    expect(`${status.exitCode} ${status.stdout}`).toMatch(/^0 /);
    site.backend('production', 'green').setGuid(BLUE.commit);
    const wrong = await site.run(['status', ...PRODUCTION]);
    expect(`${wrong.exitCode} ${wrong.stderr}`).toMatch(/^9 .*another build answers at green: commit/is);
    site.backend('production', 'green').setGuid(GREEN.commit);
    expect(await result(['abort', ...PRODUCTION, ...SURE])).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['adopt', adopt],
    ['plan', plan(GREEN.guid)],
  ])('%s refuses a commit without an environment in a protected environment', async (what, args) => {
    if (what === 'adopt') await site.restore('empty');
    site.writeConfig({ identity: COMMIT_ALONE });
    expect(await result(args)).toMatchObject({ code: 'ENVIRONMENT_UNPROVEN', exitCode: 3 });
  });

  test('a rollback in a protected environment is refused where builds say their commit and not their environment', async () => {
    expect(await result(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE])).toMatchObject({ ok: true });
    site.writeConfig({ identity: COMMIT_ALONE });
    const back = ['rollback', ...PRODUCTION, '--to', BLUE.guid, '--not-bad', ...SURE];
    expect(await result(back)).toMatchObject({ code: 'ENVIRONMENT_UNPROVEN', exitCode: 3 });
    expect(await site.percent('production', 'green')).toBe(100);
    site.writeConfig({ identity: COMMIT });
    expect(await result(back)).toMatchObject({ ok: true });
  });

  test('a staging binary of the same commit is refused by the environment that it says', async () => {
    site.backend('production', 'green').setEnvironment('staging');
    expect(await result(plan(GREEN.guid))).toMatchObject({ code: 'WRONG_SCOPE', exitCode: 3 });
    site.backend('production', 'green').setEnvironment('production');
  });

  test('a commit of two builds here is refused, and both are named', async () => {
    const refused = await result(plan(AMBER.guid));
    expect(refused).toMatchObject({ code: 'IDENTITY_UNCLEAR', exitCode: 3 });
    expect(refused.message).toContain(`Builds ${AMBER.guid.slice(0, 8)} and ${VIOLET.guid.slice(0, 8)} have the same commit`);
  });

  test('a build that serves with the commit of another scope alone is not adopted, and named as foreign', async () => {
    await site.restore('empty');
    site.backend('production', 'blue').setGuid(STAGING.green.commit);
    const refused = await result(adopt);
    expect(refused).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
    expect(refused.message).toContain('57a9e111 (1.6.0) of acme/staging/kv-gateway');
  });

  test('an environment that is not protected takes a commit alone, and says what is not verified', async () => {
    site.writeConfig({ identity: COMMIT_ALONE });
    const planned = await site.run(['plan', ...IN_GLOBEX, '--build', GLOBEX.green.guid]);
    expect(planned).toMatchObject({ exitCode: 0 });
    expect(planned.stdout + planned.stderr).toContain('a commit does not say it');
    expect(planned.stdout).toContain(
      'asks 1 member at green every 5s, before and after each raise, and before it becomes known-good',
    );
  });
});

describe('no identity at all', () => {
  test('a rollout that asks no one is not carried on once its environment is protected, and can be aborted', async () => {
    site.writeConfig({ identity: 'none', open: true });
    expect(await result(['promote', ...PRODUCTION, '--build', GREEN.guid, '--until', '25', '--yes'])).toMatchObject({ ok: true });
    site.writeConfig({ identity: COMMIT });
    const refused = await result(['resume', ...PRODUCTION]);
    expect(refused).toMatchObject({ code: 'TARGET_CHANGED', exitCode: 3, hint: expect.stringContaining('kvdeploy abort') });
    expect(await site.percent('production', 'green')).toBe(25);
    expect(await result(['abort', ...PRODUCTION])).toMatchObject({ ok: true });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a protected environment with identity: none does not load', async () => {
    site.writeConfig({ identity: 'none' });
    const invalid = await site.run(['validate']);
    expect(invalid.exitCode).toBe(2);
    expect(invalid.stdout + invalid.stderr).toContain('protected environment needs builds that say which one they are');
  });

  test('a build that no one can ask is adopted only by name, and the hazards say what is unproven', async () => {
    await site.restore('empty');
    site.writeConfig({ identity: 'none', open: true });
    expect(await result(['adopt', ...IN_GLOBEX, '--yes'])).toMatchObject({
      code: 'BUILD_GONE',
      hint: expect.stringContaining('--to GUID'),
    });
    expect(await result(['adopt', ...IN_GLOBEX, '--yes', '--to', GLOBEX.blue.guid])).toMatchObject({ ok: true });
    const planned = await site.run(['plan', ...IN_GLOBEX, '--build', GLOBEX.green.guid]);
    expect(planned.exitCode).toBe(0);
    expect(planned.stdout).toContain('is unproven');
  });
});
