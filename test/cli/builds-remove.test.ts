/** `builds remove` and `builds prune` take out only what the ledger and the builds that serve allow. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adding, listingSite, PRODUCTION as MANIFEST } from './listing-site.ts';
import { AMBER, BLUE, GREEN, PRODUCTION, SQUATTER, SURE, VIOLET } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

const FILE = 'releases/acme/production/kv-gateway.yaml';

describe('taking builds out where the ledger is', () => {
  let site: LocalSite;
  beforeAll(async () => {
    site = await openLocalSite();
    for (const words of [['adopt'], ['promote', '--build', GREEN.guid]]) {
      const { exitCode, stderr } = await site.run([...words, ...PRODUCTION, ...SURE]);
      expect(exitCode, stderr).toBe(0);
    }
  }, 60_000);
  afterAll(() => site.close());

  const remove = (guid: string) => site.run(['builds', 'remove', ...PRODUCTION, '--build', guid, '--json']);
  const listed = async () => {
    const { json } = await site.run(['builds', ...PRODUCTION, '--json']);
    const { data } = json.find(({ type }) => type === 'document') as { data: { builds: { guid: string }[] } };
    return data.builds.map(({ guid }) => guid);
  };

  it('a build that is known-good, can be rolled back to, or serves by hand is never removed', async () => {
    expect(resultOf(await remove(GREEN.guid))).toMatchObject({
      code: 'BUILD_IN_USE',
      exitCode: 3,
      message: 'Build 7c9e6679 is known-good in acme/production/kv-gateway, so it stays in the manifest.',
      places: [{ file: FILE }],
    });
    expect(resultOf(await remove(BLUE.guid)).message).toContain('can be rolled back to');
    await site.moveTraffic('production', 'amber');
    expect(resultOf(await remove(AMBER.guid)).message).toContain('serves acme/production/kv-gateway now');
    await site.moveTraffic('production', 'green');
    expect(await listed()).toHaveLength(5);
  });

  it('no build is removed while it cannot be seen which one serves', async () => {
    site.backend('production', 'green').setGuid('none');
    expect(resultOf(await remove(AMBER.guid))).toMatchObject({ code: 'UNREACHABLE', exitCode: 7 });
    site.backend('production', 'green').setGuid(GREEN.guid);
  });

  it('no build is taken out after a move by hand where builds are never asked what they are', async () => {
    site.writeConfig({ identity: 'none', open: true });
    const prune = () => site.run(['builds', 'prune', ...PRODUCTION, '--keep', '9', '--json']);
    expect(resultOf(await prune())).toMatchObject({ ok: true });
    await site.moveTraffic('production', 'amber');
    expect(resultOf(await prune())).toMatchObject({
      code: 'UNREACHABLE',
      exitCode: 7,
      message: expect.stringContaining('no one could be asked at amber'),
    });
    await site.moveTraffic('production', 'green');
    site.writeConfig();
  });

  it('a build that no one needs is removed by a prefix, and its GUID printed', async () => {
    const { exitCode, stdout, stderr } = await site.run(['builds', 'remove', ...PRODUCTION, '--build', '5c0a77e4']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `${SQUATTER.guid}\n` });
    expect(stderr).toContain(`Took ${SQUATTER.version} out of ${FILE}.`);
    expect(resultOf(await remove(SQUATTER.guid))).toMatchObject({ code: 'UNLISTED_BUILD', exitCode: 3 });
    expect(await listed()).not.toContain(SQUATTER.guid);
  });

  it('prune keeps the newest, the known-good build and what can be rolled back to', async () => {
    const { json } = await site.run(['builds', 'prune', ...PRODUCTION, '--keep', '1', '--json']);
    expect(json.slice(1, -1)).toMatchObject([{ type: 'row', change: 'removed', build: { guid: AMBER.guid } }]);
    expect(json.at(-1)).toMatchObject({
      exitCode: 0,
      message: `Took ${AMBER.version} out of ${FILE}. The newest 1 stay, and 2 older that can still be needed.`,
    });
    expect(await listed()).toEqual([VIOLET, GREEN, BLUE].map(({ guid }) => guid));
    const again = await site.run(['builds', 'prune', ...PRODUCTION, '--keep', '1']);
    expect(again).toMatchObject({ exitCode: 0, stdout: '', stderr: expect.stringContaining('unchanged: nothing to take out') });
    expect(await site.run(['validate'])).toMatchObject({ exitCode: 0 });
  });

  it('builds add --live writes the row of the build that serves, at its place, as its members answer', async () => {
    const live = (...more: string[]) => site.run(['builds', 'add', '--live', ...PRODUCTION, '--version', '1.42.0', ...more]);
    const digest = ['--digest', `sha256:${'2'.repeat(64)}`];
    await site.moveTraffic('production', 'amber');
    const amber = site.backend('production', 'amber');
    amber.setGuid('none');
    expect(await live(...digest)).toMatchObject({ exitCode: 7, stderr: expect.stringContaining('does not say who it is') });
    amber.setGuid(AMBER.guid);
    amber.setEnvironment('staging');
    expect(await live(...digest)).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('made for staging') });
    amber.setEnvironment('production');
    expect(await live()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('says its GUID alone') });
    expect(await live('--ref', 'violet', ...digest)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('says amber'),
    });
    expect(await listed()).not.toContain(AMBER.guid);
    expect(await live(...digest)).toMatchObject({ exitCode: 0, stdout: `${AMBER.guid}\n` });
    const { json } = await site.run(['builds', ...PRODUCTION, '--json']);
    expect(JSON.stringify(json)).toContain(`"guid":"${AMBER.guid}","version":"1.42.0","sequence":44,"ref":"amber"`);
    await site.moveTraffic('production', 'green');
  });

  it('no build is removed while every member of the place that serves is down', async () => {
    await site.moveTraffic('production', 'violet');
    await site.backend('production', 'violet').close();
    expect((await fetch(site.url('production'))).status).toBe(502);
    const { code, message } = resultOf(await remove(AMBER.guid));
    expect({ code, message }).toEqual({
      code: 'UNREACHABLE',
      message: expect.stringContaining('no one could be asked at violet'),
    });
    expect(await listed()).toContain(AMBER.guid);
  });

  it('no build is removed or pruned without a readable ledger', async () => {
    const prune = (...more: string[]) => site.run(['builds', 'prune', ...PRODUCTION, '--json', ...more]);
    // The target is marked by the state that drives it, which is not this one.
    const elsewhere = resultOf(await prune('--state-dir', join(site.folder, 'another-state')));
    expect(elsewhere).toMatchObject({ code: 'LEDGER_UNREAD', exitCode: 3 });
    const ledger = join(site.stateDir, 'acme/production/kv-gateway/ledger');
    renameSync(ledger, `${ledger}-kept`);
    writeFileSync(ledger, 'no folder');
    expect(resultOf(await prune())).toMatchObject({ code: 'LEDGER_UNREAD', exitCode: 3 });
    rmSync(ledger);
    renameSync(`${ledger}-kept`, ledger);
    const segment = join(site.stateDir, 'acme/production/kv-gateway/ledger/0001.jsonl');
    writeFileSync(segment, 'no ledger\n');
    for (const words of [
      ['remove', '--build', VIOLET.guid],
      ['prune', '--keep', '1'],
    ]) {
      const answer = await site.run(['builds', ...words, ...PRODUCTION, '--json']);
      expect(resultOf(answer)).toMatchObject({ code: 'LEDGER_UNREAD', exitCode: 3 });
    }
  });
});

describe('taking builds out where no ledger is', () => {
  it('builds remove and prune refuse in a checkout without state, and say where to run them', async () => {
    const site = listingSite();
    const { stdout } = await site.run(adding('1.4.2', 'a'.repeat(40)));
    const before = site.read(MANIFEST);
    for (const words of [
      ['remove', '--build', stdout.trim()],
      ['prune', '--keep', '1'],
    ]) {
      const answer = await site.run(['builds', ...words, '--env', 'production', '--json']);
      expect(resultOf(answer)).toMatchObject({
        code: 'LEDGER_UNREAD',
        exitCode: 3,
        hint: expect.stringContaining('--state-dir'),
      });
    }
    expect(site.read(MANIFEST)).toBe(before);
  });

  it.each([
    [['remove'], '--build is missing'],
    [['prune', '--keep', '0'], '--keep "0": a whole number above 0.'],
    [['prune', '--kep', '1'], 'Did you mean --keep?'],
  ])('builds %j is refused with what is wrong', async (words, why) => {
    const { exitCode, stderr } = await listingSite().run(['builds', ...words, '--env', 'production']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(why);
  });
});
