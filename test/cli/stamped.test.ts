/** A build that CI stamped for another environment: every command calls it foreign, however it was named. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { BLUE, GREEN, IN_STAGING, PRODUCTION, SCOPES, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const manifest = () => join(site.checkout, 'releases/acme/production/kv-gateway.yaml');

/** Stamps one row of production's manifest for staging. */
function stamp(guid: string): void {
  const text = readFileSync(manifest(), 'utf8');
  writeFileSync(manifest(), text.replace(`  - guid: ${guid}\n`, `  - guid: ${guid}\n    environment: staging\n`));
}

beforeAll(async () => {
  site = await openLocalSite(['production', 'staging']);
  expect(resultOf(await site.run(['adopt', ...IN_STAGING, '--yes', '--json']))).toMatchObject({ ok: true });
});
afterAll(() => site.close());
beforeEach(() => site.writeManifest('production', SCOPES.production.builds));

test('adopt calls the build that serves foreign, where its row is stamped for another environment', async () => {
  stamp(BLUE.guid);
  const refused = resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']));
  expect(refused).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
});

test.each([
  ['plan by its GUID', ['plan', '--build', GREEN.guid]],
  ['plan by a prefix of its GUID', ['plan', '--build', GREEN.guid.slice(0, 8)]],
  ['promote by its GUID', ['promote', '--build', GREEN.guid, ...SURE]],
  ['promote by a prefix of its GUID', ['promote', '--build', GREEN.guid.slice(0, 10), ...SURE]],
  ['promote by its source', ['promote', '--from', 'staging', ...SURE]],
  ['rollback by its GUID', ['rollback', '--to', GREEN.guid, ...SURE]],
  ['rollback by a prefix of its GUID', ['rollback', '--to', GREEN.guid.slice(0, 8), ...SURE]],
  ['builds', ['builds']],
])('%s calls a build foreign that is stamped for another environment', async (_how, [command = '', ...rest]) => {
  if (command !== 'builds')
    expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json'])).code).toBeOneOf([null, 'NOTHING_TO_DO']);
  stamp(GREEN.guid);
  const refused = resultOf(await site.run([command, ...PRODUCTION, ...rest, '--json']));
  expect(refused).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
  expect(refused.message).toMatch(/staging/);
});

test('rollback calls a build of another environment foreign that was never known-good here', async () => {
  const refused = resultOf(
    await site.run(['rollback', ...PRODUCTION, '--to', STAGING.green.guid.slice(0, 8), ...SURE, '--json']),
  );
  expect(refused).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
});

test('validate names the code of a stamped row too', async () => {
  stamp(GREEN.guid);
  const answer = await site.run(['validate', '--format', 'json']);
  expect(answer.exitCode).toBe(3);
  expect(answer.stdout).toContain('"code":"FOREIGN_BUILD"');
});
