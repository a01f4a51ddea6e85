import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BLUE, GREEN, PRODUCTION, STAGING, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, pasted, resultOf } from './local-site.ts';

let site: LocalSite;
const service = 'acme/production/kv-gateway';
const marker = () => `${site.routes('production')}.kvdeploy-state`;
const adoptTo = (guid: string, ...more: readonly string[]) => ['adopt', ...PRODUCTION, '--to', guid, ...SURE, ...more];

async function result(args: readonly string[]) {
  return resultOf(await site.run([...args, '--json']));
}

/** A leader dies with half the traffic moved, and its state with it. */
async function lose(): Promise<void> {
  site.writeConfig({ bakeMs: 60_000 });
  const running = site.start(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE]);
  await running.waitFor(/baking/);
  running.signal('SIGKILL');
  await running.ended;
  site.writeConfig();
  rmSync(site.stateDir, { recursive: true });
}

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  site.keep('adopted');
  await lose();
  site.keep('lost');
});
afterAll(() => site.close());
beforeEach(() => site.restore('lost'));

describe('with the state lost and the traffic split', () => {
  test.each([BLUE, GREEN])('adopt --to leads out to the build that a person names: $ref', async ({ guid, ref }) => {
    const refused = await result(['adopt', ...PRODUCTION, ...SURE]);
    expect(refused).toMatchObject({ code: 'OTHER_STATE', exitCode: 6 });
    const command = new RegExp(`kvdeploy adopt [^:]*--to ${guid}`).exec(refused.hint ?? '')?.[0] ?? '';
    const answer = await site.run([...pasted(command), ...SURE]);
    expect(answer.exitCode, answer.stderr).toBe(0);
    for (const build of [BLUE, GREEN]) expect(answer.stderr).toMatch(new RegExp(`${build.ref}, [0-9.]+ %: .*${build.guid}`));
    expect(await site.percent('production', ref)).toBe(100);
    expect(JSON.parse(readFileSync(marker(), 'utf8'))).toMatchObject({ stateDir: site.stateDir });
    const id = readFileSync(join(site.stateDir, service, 'state-id'), 'utf8').trim();
    expect(readFileSync(marker(), 'utf8')).toContain(id);
    expect(await result(['pointer', 'verify', ...PRODUCTION])).toMatchObject({ ok: true });
  });

  test('a split target without any marker is told exactly the command for each build that serves', async () => {
    rmSync(marker());
    const refused = await result(['adopt', ...PRODUCTION, ...SURE]);
    expect(refused).toMatchObject({ code: 'UNEXPECTED_SPLIT', exitCode: 3 });
    for (const { guid } of [BLUE, GREEN]) expect(refused.hint).toMatch(new RegExp(`kvdeploy adopt [^:]*--to ${guid}`));
  });

  test('an adoption that moves traffic asks before it moves any', async () => {
    const asked = await result(['adopt', ...PRODUCTION, '--to', BLUE.guid]);
    expect(asked).toMatchObject({ exitCode: 2 });
    expect(existsSync(site.stateDir)).toBe(false);
    expect(await site.percent('production', 'blue')).toBeLessThan(100);
  });

  test('a sick build gets the traffic that a person gives it, is not made known-good, and can be left for another one', async () => {
    site.backend('production', 'green').setStatus(500);
    const sick = await result(adoptTo(GREEN.guid));
    site.backend('production', 'green').setStatus(200);
    expect(sick).toMatchObject({ code: 'GATE_FAILED', exitCode: 5, traffic: { split: [{ place: 'green', percent: 100 }] } });
    expect(await result(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE])).toMatchObject({ code: 'NO_KNOWN_GOOD' });
    expect(await result(adoptTo(BLUE.guid))).toMatchObject({ ok: true });
    expect(await site.percent('production', 'blue')).toBe(100);
  });

  test('a build of another environment is refused as such by adopt --to', async () => {
    const before = await site.percent('production', 'blue');
    expect(await result(adoptTo(STAGING.blue.guid))).toMatchObject({ code: 'FOREIGN_BUILD', exitCode: 3 });
    expect(await site.percent('production', 'blue')).toBe(before);
  });
});

describe('with the state still there', () => {
  test('adopt --to begins no second history where the ledger knows what is known-good', async () => {
    await site.restore('adopted');
    const refused = await result(adoptTo(GREEN.guid));
    expect(refused).toMatchObject({ code: 'NOTHING_TO_DO', hint: expect.stringContaining('kvdeploy rollback') });
    const elsewhere = await result(adoptTo(GREEN.guid, '--state-dir', join(site.folder, 'second')));
    expect(elsewhere).toMatchObject({ code: 'OTHER_STATE', exitCode: 6 });
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});
