/** Places with three members: which build runs there is asked of each, and one that is another build is never outvoted. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Backend, startBackend } from '../servers/backend.ts';
import { BLUE, GLOBEX, GREEN, IN_GLOBEX, PRODUCTION, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const more = new Map<string, Backend>();

const result = async (args: readonly string[]) => resultOf(await site.run([...args, '--json']));
const adopt = ['adopt', ...PRODUCTION, ...SURE];
const plan = ['plan', ...PRODUCTION, '--build', GREEN.guid];
const third = (place: string) => more.get(`${place} 3`) as Backend;

beforeAll(async () => {
  site = await openLocalSite([]);
  const builds = { 'production/blue': BLUE, 'production/green': GREEN, 'globex/blue': GLOBEX.blue, 'globex/green': GLOBEX.green };
  const members: Record<string, string[]> = {};
  for (const [place, { guid }] of Object.entries(builds)) {
    for (const number of [2, 3]) more.set(`${place} ${number}`, await startBackend({ guid, environment: 'production' }));
    members[place] = [2, 3].map((number) => more.get(`${place} ${number}`)?.address ?? '');
  }
  site.writeConfig({ members });
  await Promise.all([site.startServe('production'), site.startServe('globex')]);
  site.keep('empty');
});
afterAll(async () => {
  await site.close();
  for (const backend of more.values()) await backend.close();
});
afterEach(async () => {
  third('production/blue').setGuid(BLUE.guid);
  third('production/green').setGuid(GREEN.guid);
  third('production/blue').setEnvironment('production');
  third('globex/blue').setEnvironment('production');
  await site.restore('empty');
});

test('three members of one build are adopted, and the next build is planned with every one of its members', async () => {
  expect(await result(adopt)).toMatchObject({ ok: true });
  const planned = await site.run(plan);
  expect(planned.exitCode).toBe(0);
  expect(planned.stdout).toContain(
    'asks 3 members at green every 5s, before and after each raise, and before it becomes known-good',
  );
  const doctor = (await site.run(['doctor', ...PRODUCTION])).stdout;
  expect(doctor).toMatch(new RegExp(`all 3 members: ${BLUE.guid}; asked as .*${third('production/blue').address}/healthz`));
});

test('a plan says who the members are, and what each of them must say', async () => {
  expect(await result(adopt)).toMatchObject({ ok: true });
  const { stdout } = await site.run(plan);
  expect(stdout).toMatch(/^ {2}members {4}blue: 3 \(127\.0\.0\.1:.*\n {13}green: 3 \(/m);
  expect(stdout).toContain(`Each must say GUID ${GREEN.guid} in x-build-guid`);
});

test('doctor names the member at which another build answers, and what to do about it', async () => {
  expect(await result(adopt)).toMatchObject({ ok: true });
  third('production/blue').setGuid(STAGING.green.guid);
  const doctor = await site.run(['doctor', ...PRODUCTION]);
  expect(doctor.exitCode).toBe(9);
  expect(doctor.stdout).toContain(`${third('production/blue').address}: ${STAGING.green.guid}`);
  expect(doctor.stderr).toMatch(
    /try +Start the build that the ledger says at the members that it names, or roll back: kvdeploy rollback --env production/,
  );
});

test('two members of one build and one of another are never adopted, and the other one is named', async () => {
  third('production/blue').setGuid(STAGING.green.guid);
  const refused = await result(adopt);
  expect(refused).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
  expect(refused.message).toContain(`${third('production/blue').address}: ${STAGING.green.guid}`);
  expect(refused.hint).toMatch(/list it: kvdeploy builds add --live$/);
});

test('one foreign member of three refuses the plan each time, and the refusal says whose it is', async () => {
  expect(await result(adopt)).toMatchObject({ ok: true });
  third('production/green').setGuid(STAGING.green.guid);
  for (const _ of [1, 2, 3]) {
    const refused = await result(plan);
    expect(refused).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
    expect(refused.message).toContain(
      `(${third('production/green').address}): ${STAGING.green.guid}, which is 57a9e111 (1.6.0) of acme/staging`,
    );
  }
});

test('a member that says nothing refuses where it is protected, and is named as not verified where it is not', async () => {
  third('production/blue').setEnvironment(undefined);
  expect(await result(adopt)).toMatchObject({ code: 'BUILD_GONE', exitCode: 3 });
  third('globex/blue').setEnvironment(undefined);
  const adopted = await site.run(['adopt', ...IN_GLOBEX, '--yes']);
  expect(adopted.exitCode).toBe(0);
  expect(adopted.stdout + adopted.stderr).toContain(third('globex/blue').address);
});
