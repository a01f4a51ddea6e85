import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GREEN, IN_GLOBEX, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

/** Two sites with services of the same names, of one person with one home folder. */
let one: LocalSite;
let other: LocalSite;
const adopt = (site: LocalSite, scope: readonly string[], sure: readonly string[]) =>
  site.run(['adopt', ...scope, ...sure], own());
const own = () => ({ env: { HOME: one.home } });
const rescue = (...more: readonly string[]) => [
  'rollback',
  '--break-glass',
  ...SURE,
  '--reason',
  'login is down at night',
  ...more,
];
const service = 'acme/production/kv-gateway';
const shared = () => join(one.home, '.local/state/kvdeploy');

beforeAll(async () => {
  one = await openLocalSite(['production']);
  other = await openLocalSite(['production', 'globex']);
  for (const ran of [
    await adopt(one, PRODUCTION, SURE),
    await adopt(other, PRODUCTION, SURE),
    await adopt(other, IN_GLOBEX, ['--yes']),
  ])
    expect(ran.exitCode, ran.stderr).toBe(0);
});
afterAll(async () => {
  await one.close();
  await other.close();
});

describe('a state directory that is named', () => {
  test('break-glass takes the only service of the state directory that is named, whatever other places have', async () => {
    expect(readFileSync(join(shared(), 'places'), 'utf8')).toContain(other.stateDir);
    const ran = await one.run([...rescue('--env', 'production', '--state-dir', one.stateDir), '--json'], own());
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(resultOf(ran)).toMatchObject({ scope: { tenant: 'acme' } });
    expect(existsSync(join(other.stateDir, service, 'pointer/hold'))).toBe(false);
    const review = ['reconcile', ...PRODUCTION, ...SURE, '--reason', 'it was seen', '--state-dir', one.stateDir];
    expect((await one.run(review, own())).exitCode).toBe(0);
  });

  test('break-glass does not turn to another place where the state directory that is named has no pointer', async () => {
    const ran = await one.run(rescue('--env', 'production', '--state-dir', join(one.folder, 'nothing')), own());
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toContain(`There is no such pointer in ${join(one.folder, 'nothing')}`);
    expect(ran.stderr).toContain(`--env production --tenant globex --service kv-gateway --state-dir ${other.stateDir}`);
  });
});

describe('a record of break-glass outside its state', () => {
  test('a record that its state could not keep holds that state, and no other of the same service', async () => {
    // A folder takes no line, so the record goes to the home folder, which both states share.
    const records = join(one.stateDir, service, 'pointer/break-glass.jsonl');
    rmSync(records, { force: true });
    mkdirSync(records);
    const ran = await one.run(rescue(...PRODUCTION, '--state-dir', one.stateDir), own());
    expect(ran.exitCode, ran.stderr).toBe(0);
    const id = readFileSync(join(one.stateDir, service, 'state-id'), 'utf8').trim();
    expect(readFileSync(join(shared(), 'break-glass.jsonl'), 'utf8')).toContain(`"state":"${id}"`);
    rmSync(join(one.stateDir, service, 'pointer/hold'));
    const promote = ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json'];
    expect(resultOf(await one.run(promote, own()))).toMatchObject({ code: 'HELD', exitCode: 6 });
    expect(resultOf(await other.run(promote, own()))).toMatchObject({ ok: true });
  });

  test('a record of an earlier version does not say whose it is, and holds every state of its service', async () => {
    const file = join(shared(), 'break-glass.jsonl');
    const intent = JSON.parse(readFileSync(file, 'utf8').split('\n')[0] ?? '') as Record<string, unknown>;
    const { state, ...earlier }: Record<string, unknown> = { ...intent, id: 'earlier' };
    expect(state).toBeDefined();
    const sorted = Object.fromEntries(Object.entries(earlier).sort(([a], [b]) => (a < b ? -1 : 1)));
    appendFileSync(file, `${JSON.stringify(sorted)}\n`);
    const review = ['reconcile', ...PRODUCTION, '--reason', 'it was seen', '--json', ...SURE];
    expect(resultOf(await other.run(review, own()))).toMatchObject({ ok: true });
  });
});
