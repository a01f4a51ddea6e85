import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from './fingerprint.ts';
import { AMBER, BLUE, GLOBEX, GREEN, IN_GLOBEX, IN_STAGING, PRODUCTION, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;

beforeAll(async () => {
  site = await openLocalSite(['production', 'staging', 'globex']);
  for (const scope of [
    [...PRODUCTION, ...SURE],
    [...IN_STAGING, '--yes'],
    [...IN_GLOBEX, '--yes'],
  ]) {
    const { exitCode, stderr } = await site.run(['adopt', ...scope]);
    expect(exitCode, stderr).toBe(0);
  }
});
afterAll(() => site.close());

async function result(...args: readonly string[]) {
  return resultOf(await site.run([...args, '--json']));
}

async function plannedGuid(build: string) {
  const { json } = await site.run(['plan', ...PRODUCTION, '--build', build, '--json']);
  const document = json.find((line) => line.type === 'document');
  return (document as { data: { candidate: { guid: string } } } | undefined)?.data.candidate.guid;
}

describe('a build is named by its GUID', () => {
  test.each([
    ['8 characters', GREEN.guid.slice(0, 8)],
    ['9 characters, one of them a dash', GREEN.guid.slice(0, 9)],
    ['capitals', GREEN.guid.toUpperCase()],
    ['8 capitals', GREEN.guid.slice(0, 8).toUpperCase()],
    ['braces', `{${GREEN.guid}}`],
    ['urn:uuid:', `urn:uuid:${GREEN.guid}`],
  ])('a build can be named by its GUID in %s', async (_how, typed) => {
    expect(await plannedGuid(typed)).toBe(GREEN.guid);
  });

  test.each([
    ['7 characters', GREEN.guid.slice(0, 7), 'kvdeploy builds'],
    ['a prefix of two builds', AMBER.guid.slice(0, 8), 'Give more characters.'],
    ['a prefix of none, near one', '7c9e6670', `Did you mean ${GREEN.guid}?`],
    ['a prefix of none', '12345678', 'kvdeploy builds'],
    ['a word', 'latest', 'kvdeploy builds'],
    ['nothing', '', 'kvdeploy builds'],
  ])('a build cannot be named by %s', async (_how, typed, hint) => {
    expect(await result('plan', ...PRODUCTION, '--build', typed)).toMatchObject({
      code: 'GUID_UNCLEAR',
      exitCode: 2,
      hint: expect.stringContaining(hint),
    });
  });
});

describe('near misses are named, and nothing is guessed', () => {
  test.each([
    [['promot', '--env', 'production'], 'USAGE', 'Did you mean promote?'],
    [['prom', ...PRODUCTION], 'USAGE', 'Did you mean promote?'],
    [['pointer', 'sho', ...PRODUCTION], 'USAGE', 'Did you mean show?'],
    [['pointer'], 'USAGE', 'kvdeploy pointer --help'],
    [['promote', '--evn', 'production'], 'USAGE', 'Did you mean --env?'],
    [['promote', ...PRODUCTION, '--force'], 'USAGE', 'kvdeploy promote --help'],
    [['promote', ...PRODUCTION, '--bui', GREEN.guid], 'USAGE', '--build'],
    [['builds', ...PRODUCTION, 'extra'], 'USAGE', 'kvdeploy builds --help'],
    [['history', ...PRODUCTION, '--limit', 'ten'], 'USAGE', 'kvdeploy history --help'],
    [['status', '--tenant', 'acme', '--env', 'prodution'], 'UNKNOWN_NAME', 'Did you mean --env production?'],
    [['status', '--tenant', 'acme', '--env', 'prod'], 'UNKNOWN_NAME', 'Did you mean --env production?'],
    [['status', '--tenant', 'globex', '--env', 'staging'], 'UNKNOWN_NAME', 'Known: production'],
    [['status', '--tenant', 'acme', '--env', 'prоduction'], 'UNKNOWN_NAME', '--env production'],
    [['status', '--tenant', 'acmee', '--env', 'production'], 'UNKNOWN_NAME', 'Did you mean --tenant acme?'],
    [['status', ...PRODUCTION, '--service', 'kv-gatewy'], 'UNKNOWN_NAME', 'Did you mean --service kv-gateway?'],
    [['status', '--env', 'production'], 'SCOPE_UNCLEAR', '--tenant acme'],
    [['status', '--tenant', 'acme'], 'USAGE', '--env production'],
    [['plan', ...PRODUCTION], 'USAGE', 'kvdeploy builds'],
    [['plan', ...PRODUCTION, '--build', GREEN.guid, '--from', 'staging'], 'USAGE', 'kvdeploy builds'],
    [['promote', ...PRODUCTION, '--build', GREEN.guid, '--until', '0'], 'USAGE', '--until 25'],
    [['promote', ...PRODUCTION, '--build', GREEN.guid, '--max-wait', 'soon'], 'USAGE', '--max-wait 10m'],
    [['pointer', 'import', ...PRODUCTION], 'USAGE', 'kvdeploy pointer import --help'],
    [['schema', 'confi'], 'UNKNOWN_NAME', 'config'],
    [['demo', 'god'], 'UNKNOWN_NAME', 'kvdeploy demo good'],
  ] as const)('a near miss is named, and nothing is guessed: %j', async (args, code, hint) => {
    const answer = await result(...args);
    expect(answer).toMatchObject({ ok: false, code, exitCode: 2, hint: expect.stringContaining(hint) });
  });

  test('KVDEPLOY_ENV names the environment, and the flag wins', async () => {
    const env = { KVDEPLOY_ENV: 'production' };
    const said = resultOf(await site.run(['status', '--tenant', 'acme', '--json'], { env }));
    expect(said).toMatchObject({ ok: true, scope: { tenant: 'acme', environment: 'production', service: 'kv-gateway' } });
    const flag = resultOf(await site.run(['status', ...IN_STAGING, '--json'], { env }));
    expect(flag).toMatchObject({ scope: { environment: 'staging' } });
    expect(resultOf(await site.run(['status', '--tenant', 'acme', '--json'], { env: { KVDEPLOY_ENV: '' } }))).toMatchObject({
      code: 'USAGE',
    });
  });

  test('flags may stand before the command', async () => {
    expect(await result(...PRODUCTION, 'status')).toMatchObject({ ok: true, command: 'status' });
  });
});

describe('the config and the surroundings', () => {
  const config = () => join(site.checkout, 'kvdeploy.config.yaml');

  test('two configs are refused, each by its name', async () => {
    const second = join(site.checkout, 'kvdeploy.config.json');
    writeFileSync(second, '{}');
    const { message, ...rest } = await result('builds', ...PRODUCTION);
    rmSync(second);
    expect(rest).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 });
    expect(message).toMatch(/kvdeploy\.config\.yaml.*kvdeploy\.config\.json/);
  });

  test('a config in JavaScript is refused by name, and never run', async () => {
    const code = join(site.checkout, 'kvdeploy.config.js');
    writeFileSync(code, `require('node:fs').writeFileSync(${JSON.stringify(join(site.folder, 'ran'))}, '')`);
    const answer = await result('builds', ...PRODUCTION);
    rmSync(code);
    expect(answer).toMatchObject({
      code: 'CONFIG_RUNS_CODE',
      exitCode: 2,
      places: [expect.objectContaining({ file: 'kvdeploy.config.js' })],
    });
    expect(fingerprint(join(site.folder, 'ran'))).toEqual([expect.stringContaining('is not there')]);
  });

  test('a command without a config says where it looked; one that only looks goes on with the ledger', async () => {
    renameSync(config(), `${config()}.away`);
    const missing = await site.run(['builds', ...PRODUCTION, '--json']);
    const status = await site.run(['status', ...PRODUCTION, '--state-dir', site.stateDir, '--json']);
    renameSync(`${config()}.away`, config());
    expect(resultOf(missing)).toMatchObject({
      code: 'CONFIG_MISSING',
      exitCode: 2,
      message: expect.stringContaining(site.checkout),
    });
    expect(resultOf(status)).toMatchObject({ ok: true, traffic: { split: [{ build: BLUE.guid, percent: 100 }] } });
  });

  test('certificate checks that are switched off for everything are refused', async () => {
    const answer = await site.run(['status', ...PRODUCTION, '--json'], { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } });
    expect(resultOf(answer)).toMatchObject({ code: 'UNSAFE_ENVIRONMENT', exitCode: 2 });
  });
});

describe('two tenants with services of one name never see each other', () => {
  test('each of two tenants with services of one name lists its own builds, state and pointer', async () => {
    for (const [scope, own, others] of [
      [PRODUCTION, BLUE, GLOBEX.blue],
      [IN_GLOBEX, GLOBEX.blue, BLUE],
    ] as const) {
      for (const command of [['builds'], ['status'], ['history'], ['pointer', 'show'], ['pointer', 'export']]) {
        const { stdout } = await site.run([...command, ...scope, '--json']);
        expect(stdout).toContain(own.guid);
        expect(stdout).not.toContain(others.guid);
      }
    }
  });

  test.each([
    ['the other tenant', GLOBEX.green.guid, PRODUCTION, 'globex/production/kv-gateway'],
    ['the other tenant, the other way round', GREEN.guid, IN_GLOBEX, 'acme/production/kv-gateway'],
    ['staging', STAGING.green.guid, PRODUCTION, 'staging'],
  ])('a build of %s is refused as foreign', async (_whose, guid, scope, owner) => {
    const answer = await result('promote', ...scope, '--build', guid, '--yes', ...SURE);
    expect(answer).toMatchObject({
      code: 'FOREIGN_BUILD',
      exitCode: 3,
      message: expect.stringContaining(`belongs to ${owner},`),
    });
    const places = answer.places.map(({ file }) => readFileSync(join(site.checkout, file), 'utf8'));
    expect(places.some((text) => text.includes(guid))).toBe(true);
  });

  test('a rollout of one tenant leaves the other byte for byte as it was', async () => {
    const other = [join(site.stateDir, 'globex'), site.routes('globex'), join(site.stateDir, 'acme/staging')];
    const before = fingerprint(...other);
    expect(await result('promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE)).toMatchObject({ ok: true });
    expect(fingerprint(...other)).toEqual(before);
    expect(await result('rollback', ...IN_GLOBEX, '--to', GREEN.guid, '--yes')).toMatchObject({
      code: 'FOREIGN_BUILD',
      exitCode: 3,
    });
  });
});
