/** The state goes in the middle of a rollout: removed, moved, unreadable, unmounted, or only the pointer. Traffic must not stay split. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isRoot } from '../as-root.ts';
import { ext4Image, mayMount, mount, unmountAtOnce } from '../crash/mounts.ts';
import { stopped } from '../crash/stopper.ts';
import { givenToAnotherUser } from './another-user.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { CliOptions, RunningCli } from './run-cli.ts';

let site: LocalSite;
let running: RunningCli | undefined;
beforeEach(async () => {
  site = await openLocalSite(['production']);
});
afterEach(async () => {
  running?.signal('SIGKILL');
  await running?.ended;
  await site.close();
});

const scopeDir = () => join(site.stateDir, 'acme/production/kv-gateway');
const result = async (args: readonly string[], options?: CliOptions) => resultOf(await site.run([...args, '--json'], options));

/** A promotion that bakes at 25 %, for as long as that takes. */
async function bakes(options?: CliOptions, bakeMs = 60_000): Promise<RunningCli> {
  site.writeConfig({ bakeMs });
  expect(await result(['adopt', ...PRODUCTION, ...SURE], options)).toMatchObject({ ok: true });
  const words = ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json'];
  const promotion = site.start(words, { timeoutMs: 60_000, ...options });
  running = promotion;
  await promotion.waitFor(/"type":"poll"/, 30_000);
  expect(await site.percent('production', 'green')).toBe(25);
  return promotion;
}

async function goesBack(promotion: RunningCli): Promise<string> {
  const answer = await promotion.ended;
  expect([answer.exitCode, resultOf(answer)], answer.stderr).toMatchObject([5, { ok: false, code: 'STATE_LOST' }]);
  expect(await site.percent('production', 'blue')).toBe(100);
  expect(answer.stdout + answer.stderr).toContain('by hand: ');
  expect(resultOf(answer)).toMatchObject({ traffic: { split: [{ build: BLUE.guid, percent: 100 }] } });
  const file = join(site.home, '.local/state/kvdeploy/state-lost.jsonl');
  expect(readFileSync(file, 'utf8')).toContain(`"stable":"${BLUE.guid}"`);
  return answer.stderr;
}

test('a state that is removed in mid-rollout: the leader goes back to the stable build, records it, and adopt leads on', async () => {
  const promotion = await bakes();
  rmSync(site.stateDir, { recursive: true });
  await goesBack(promotion);
  expect(existsSync(site.stateDir)).toBe(false);
  expect(await result(['adopt', ...PRODUCTION, '--to', BLUE.guid, ...SURE])).toMatchObject({ ok: true });
});

test('a state that is moved in mid-rollout: the leader goes back, and its ledger goes on where it is by now', async () => {
  const promotion = await bakes();
  renameSync(site.stateDir, join(site.folder, 'moved'));
  await goesBack(promotion);
  renameSync(join(site.folder, 'moved'), site.stateDir);
  const history = await site.run(['history', ...PRODUCTION]);
  expect(history.stdout).toContain('the state was lost');
  expect(await result(['status', ...PRODUCTION])).toMatchObject({ exitCode: 0 });
});

test('a moved state that is under a hold, where it is by now, is not touched any more', async () => {
  const promotion = await bakes();
  promotion.signal('SIGSTOP');
  await stopped(promotion.process.pid ?? 0);
  renameSync(site.stateDir, join(site.folder, 'moved'));
  writeFileSync(join(site.folder, 'moved/acme/production/kv-gateway/pointer/hold'), '', { mode: 0o600 });
  promotion.signal('SIGCONT');
  const answer = await promotion.ended;
  expect([answer.exitCode, resultOf(answer).code], answer.stderr).toEqual([6, 'HELD']);
  expect(await site.percent('production', 'green')).toBe(25);
});

test('a state that its user can no longer read in mid-rollout: the leader goes back', async () => {
  if (!isRoot('a state of another user')) return;
  site.writeConfig({ bakeMs: 60_000 });
  const promotion = await bakes(givenToAnotherUser(site));
  chmodSync(site.stateDir, 0);
  await goesBack(promotion);
});

test('a state whose disk is unmounted in mid-rollout: the leader goes back', async () => {
  if (!mayMount('a state whose disk goes')) return;
  mkdirSync(site.stateDir);
  const disk = mount('ext4', ext4Image(), [], site.stateDir);
  const promotion = await bakes();
  unmountAtOnce(disk);
  await goesBack(promotion);
});

test('a pointer that is removed in mid-rollout is written again before the next shift', async () => {
  const promotion = await bakes(undefined, 2000);
  rmSync(join(scopeDir(), 'pointer'), { recursive: true });
  const answer = await promotion.ended;
  expect([answer.exitCode, resultOf(answer)], answer.stderr).toMatchObject([0, { ok: true }]);
  expect(answer.stdout + answer.stderr).toContain('led to the stable build; it was written again');
  expect(existsSync(join(scopeDir(), 'pointer/break-glass.mjs'))).toBe(true);
});

test('a pointer that cannot be written again in mid-rollout: no further shift, and the leader goes back', async () => {
  const promotion = await bakes(undefined, 2000);
  rmSync(join(scopeDir(), 'pointer'), { recursive: true });
  // Not even root can make a folder of this.
  writeFileSync(join(scopeDir(), 'pointer'), '');
  const answer = await promotion.ended;
  expect([answer.exitCode, resultOf(answer).code], answer.stderr).toEqual([4, 'REVERTED']);
  expect(await site.percent('production', 'blue')).toBe(100);
});
