/** What must never get traffic on a real HAProxy: builds and targets of another environment, and builds that answer 401. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSite, PRODUCTION, type Ran, type Site } from './site.ts';
import { manifestText } from './site-files.ts';
import { type TappedSocket, tapSocket } from './tapped-socket.ts';

let site: Site;
let tap: TappedSocket;

beforeAll(async () => {
  site = await openSite({
    configSockets: ([real = '']) => {
      tap ??= tapSocket(real);
      return [tap.path];
    },
  });
});
afterAll(async () => {
  await tap.close();
  await site.close();
});

/** Runs it and holds that it changed nothing. */
async function refused(words: string): Promise<Ran> {
  const before = tap.lines().filter((line) => line.includes('set server')).length;
  const ran = await site.run(words);
  expect(tap.lines().filter((line) => line.includes('set server'))).toHaveLength(before);
  expect(await site.split()).toEqual({ blue: 100 });
  return ran;
}

it('refuses a build that staging lists too, before HAProxy hears a single byte', async () => {
  const { amber } = site.builds;
  const listing = join(site.checkout, 'releases/staging/gw.yaml');
  writeFileSync(listing, manifestText('staging', [amber]));
  const before = tap.connections();
  const ran = await refused(`promote --build ${amber.guid} ${PRODUCTION}`);
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'FOREIGN_BUILD']);
  expect(ran.result.places.map(({ file }) => file)).toEqual([
    expect.stringContaining('production/gw.yaml'),
    expect.stringContaining('staging/gw.yaml'),
  ]);
  expect(tap.connections()).toBe(before);

  // Nothing is promotable from such a listing, the good builds in it neither.
  const other = await refused(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  expect([other.exitCode, other.result.code]).toEqual([3, 'FOREIGN_BUILD']);
  site.writeManifest();
});

it('refuses a build of staging that only staging lists', async () => {
  const { amber, blue, green } = site.builds;
  const listing = join(site.checkout, 'releases/staging/gw.yaml');
  site.writeManifest([blue, green]);
  writeFileSync(listing, manifestText('staging', [amber]));
  const before = tap.connections();
  const ran = await refused(`promote --build ${amber.guid} ${PRODUCTION}`);
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'FOREIGN_BUILD']);
  expect(tap.connections()).toBe(before);
  site.writeManifest();
});

it('refuses to begin a history of its own where the state is somewhere else', async () => {
  const ran = await refused(
    `promote --build ${site.builds.green.guid} --state-dir ${join(site.checkout, 'elsewhere')} ${PRODUCTION}`,
  );
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([6, 'OTHER_STATE']);
  expect(ran.result.hint).toContain(`--state-dir ${site.stateDir}`);
});

it('refuses a server-state file that could never be written, before the first shift', async () => {
  const config = join(site.checkout, 'kvdeploy.config.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace('/state-0', '/no-such-folder/state-0'));
  const ran = await refused(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'SPLIT_IMPOSSIBLE']);
  expect(ran.result.message).toContain('no-such-folder/state-0 does not exist');
  site.writeConfig();
});

it('refuses a HAProxy that would forget the split at its next reload, before the first shift', async () => {
  const config = join(site.checkout, 'kvdeploy.config.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace(/,"serverStateFile":\[[^\]]*\]/, ''));
  const ran = await refused(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'HAZARD_UNCONTROLLED']);
  expect(ran.result.message).toMatch(/A router reload restores an earlier split \(without serverStateFile/);
  site.writeConfig();
});

it('refuses a build when another binary stands behind the name that the router knows', async () => {
  const { green, amber } = site.builds;
  green.backend.setGuid(amber.guid);
  const other = await refused(`promote --build ${green.guid} ${PRODUCTION}`);
  expect([other.exitCode, other.result.code], other.stderr).toEqual([3, 'BUILD_GONE']);
  green.backend.setGuid(green.guid);
  green.backend.setEnvironment('staging');
  const staging = await refused(`promote --build ${green.guid} ${PRODUCTION}`);
  expect([staging.exitCode, staging.result.code], staging.stderr).toEqual([3, 'WRONG_SCOPE']);
  green.backend.setEnvironment('production');
});

it('rolls traffic back when the binary is exchanged after the checks', async () => {
  const { green, amber, blue } = site.builds;
  const held = tap.hold(/set server/);
  const running = site.start(`promote --build ${green.guid} ${PRODUCTION}`);
  const line = await held;
  green.backend.setGuid(amber.guid);
  await line.pass();
  const ran = await running.ended;
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
  expect(ran.result.message).toMatch(/another build answers at green/i);
  expect(await site.split()).toEqual({ blue: 100 });
  expect(await site.answers()).toEqual({ blue: 40 });
  expect(ran.result.traffic?.split).toEqual([{ build: blue.guid, place: 'blue', percent: 100 }]);
  green.backend.setGuid(green.guid);
});

it('rolls a build back that answers 401 to everything', async () => {
  const { green } = site.builds;
  green.backend.setStatus(401);
  const ran = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([4, 'REVERTED']);
  expect(ran.result.message).toMatch(/gate answers failed: .*401/i);
  expect(await site.split()).toEqual({ blue: 100 });
  expect(await site.states()).toMatchObject({ green: 'maint' });
  green.backend.setStatus(200);
});

it('refuses a target that says it is staging', async () => {
  const { amber } = site.builds;
  const config = join(dirname(site.haproxy.sockets[0] ?? ''), 'haproxy-0.cfg');
  writeFileSync(config, readFileSync(config, 'utf8').replace('environment=production', 'environment=staging'));
  await site.haproxy.reload();
  const ran = await refused(`promote --build ${amber.guid} ${PRODUCTION}`);
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([3, 'WRONG_TARGET']);
  expect(ran.result.message).toContain('reports staging');
});
