/** Who did it, and why: the account by the kernel's word, what the environment claims apart from it, and reasons that stay on one line. */
import fs, { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { actorOf } from '../../src/base/owners/actor.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';

let site: LocalSite;
const CLAIMED = { GITHUB_ACTOR: 'octocat', SUDO_USER: 'jan', USER: 'tess' };
const pointer = () => join(site.stateDir, 'acme/production/kv-gateway/pointer');
const rollback = (...more: readonly string[]) => ['rollback', ...PRODUCTION, '--to', BLUE.guid, ...SURE, ...more];
const result = async (args: readonly string[], env = {}) => resultOf(await site.run([...args, '--json'], { env }));
const entries = async () => {
  const { json } = await site.run(['history', ...PRODUCTION, '--json']);
  const document = json.find((line) => line.type === 'document');
  if (document?.type !== 'document') throw new Error('there is no history');
  return (document.data as { entries: { actor: string; event: { type: string; claim?: object; reason?: string } }[] }).entries;
};

beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(await result(['adopt', ...PRODUCTION, ...SURE])).toMatchObject({ ok: true });
  expect(await result(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE])).toMatchObject({ ok: true });
  site.keep('promoted');
});
afterAll(() => site.close());
beforeEach(() => site.restore('promoted'));

describe('the actor', () => {
  test('the actor is the account with its uid, and what the environment claims is kept apart', async () => {
    expect(await result(rollback(), CLAIMED)).toMatchObject({ ok: true });
    const written = await entries();
    const claimed = written.findLast(({ event }) => event.type === 'claimed');
    expect(claimed).toMatchObject({ actor: actorOf(fs), event: { claim: { actor: actorOf(fs), claims: CLAIMED } } });
    expect(actorOf(fs)).toMatch(/uid \d+/);
    expect(written.map(({ actor }) => actor).join()).not.toMatch(/octocat|jan|tess/);
    expect((await site.run(['history', ...PRODUCTION])).stdout).toContain('claims GITHUB_ACTOR=octocat SUDO_USER=jan USER=tess');
  });

  test('the actor of break-glass is the account too, and the claim comes with the record', async () => {
    const glass = ['rollback', '--break-glass', '--env', 'production', ...SURE, '--reason', 'login is down', '--to', BLUE.guid];
    const env = { ...CLAIMED, KVDEPLOY_STATE_DIR: site.stateDir };
    expect(await site.run(glass, { env })).toMatchObject({ exitCode: 0 });
    const [intent] = readFileSync(join(pointer(), 'break-glass.jsonl'), 'utf8').split('\n');
    expect(JSON.parse(intent ?? '')).toMatchObject({ actor: actorOf(fs), claims: CLAIMED });
  });

  test('the actor that an environment claims with control characters stays on one line', async () => {
    expect(await result(rollback(), { GITHUB_ACTOR: 'octo\ncat\u001b[31m' })).toMatchObject({ ok: true });
    const { stdout } = await site.run(['history', ...PRODUCTION]);
    expect(stdout).toContain('GITHUB_ACTOR=octo\\n');
    expect(stdout.split('\n').filter((line) => line.startsWith('cat'))).toEqual([]);
  });
});

describe('a reason', () => {
  test('a reason with newlines and control characters is one line in ledger, history, status and errors', async () => {
    expect(await result(rollback('--bad', '--reason', 'errors in Paris\n\u001b[2Jand\tin Rome'))).toMatchObject({ ok: true });
    const reasons = (await entries()).flatMap(({ event }) => event.reason ?? []).join();
    for (const odd of ['\n', '\u001b']) expect(reasons).not.toContain(odd);
    const said = [
      (await site.run(['history', ...PRODUCTION])).stdout,
      (await site.run(['status', ...PRODUCTION])).stdout,
      (await site.run(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE])).stderr,
    ];
    for (const text of said) expect(text).toMatch(/errors in Paris \S*and in Rome/);
  });

  test('a review of break-glass needs a reason, and changes nothing without one', async () => {
    const glass = ['rollback', '--break-glass', '--env', 'production', ...SURE, '--reason', 'login is down', '--to', BLUE.guid];
    expect(await site.run(glass, { env: { KVDEPLOY_STATE_DIR: site.stateDir } })).toMatchObject({ exitCode: 0 });
    const review = ['reconcile', ...PRODUCTION, ...SURE];
    for (const reason of [[], ['--reason', ' '], ['--reason', '…']])
      expect(await result([...review, ...reason])).toMatchObject({
        code: 'USAGE',
        exitCode: 2,
        hint: expect.stringContaining('--reason'),
      });
    expect(readFileSync(join(pointer(), 'hold'), 'utf8')).toContain('login is down');
    const keys = [{ waitFor: /What was found\?/, type: 'the login was down\r' }];
    const { exitCode, screen } = await site.atTerminal([...review, '--not-bad'], { keys });
    expect({ exitCode, screen }).toMatchObject({ exitCode: 0, screen: expect.stringContaining('hold is lifted') });
    expect((await entries()).findLast(({ event }) => event.type === 'reconciled')?.event.reason).toBe('the login was down');
  });
});
