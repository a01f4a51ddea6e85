import { chmodSync, chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

const STRANGER = 12345;

/** The routes file lies in a folder where anyone may put files, as in /tmp. */
let site: LocalSite;
const marker = () => `${site.routes('production')}.kvdeploy-state`;
const hazards = async () => (await site.run(['plan', ...PRODUCTION, '--build', GREEN.guid, '--json'])).stdout;
const other = JSON.stringify({
  ...{ formatVersion: 1, stateId: 'b'.repeat(24), stateDir: '/home/stranger/state', account: 'stranger', uid: STRANGER },
  scope: { tenant: 'acme', environment: 'production', service: 'kv-gateway' },
});

beforeAll(async () => {
  site = await openLocalSite(['production']);
  chmodSync(site.folder, 0o1777);
  expect((await site.run(['adopt', ...PRODUCTION, ...SURE])).exitCode).toBe(0);
});
afterAll(() => site.close());

test('a marker that is not there although it was written once is not verified in a plan, and refuses nothing', async () => {
  const before = readFileSync(marker());
  rmSync(marker());
  const shown = await hazards();
  writeFileSync(marker(), before);
  expect(shown).toContain(`"detail":"${marker()} is not there: it could not be written, or was removed"`);
});

test('a marker that a stranger put into a sticky folder is named, and keeps no one from the target', async () => {
  writeFileSync(marker(), other);
  expect(resultOf(await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json']))).toMatchObject({
    code: 'OTHER_STATE',
  });
  chownSync(marker(), STRANGER, STRANGER);
  expect(await hazards()).toContain(`${marker()} belongs to user ${STRANGER}`);
  const promoted = await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE]);
  expect(promoted.exitCode, promoted.stderr).toBe(0);
  expect(promoted.stderr).toContain(`${marker()} belongs to user ${STRANGER}`);
  expect(readFileSync(marker(), 'utf8')).toBe(other);
});
