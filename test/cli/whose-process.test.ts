/** Break-glass and takeovers against leaders that it must end, must not end, or cannot see: with real processes, names and views. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isRoot } from '../as-root.ts';
import { contained, IN_CONTAINER, stopped } from '../crash/stopper.ts';
import { until } from '../servers/program.ts';
import { givenToAnotherUser } from './another-user.ts';
import { GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { CliOptions, RunningCli } from './run-cli.ts';

const RESCUE = ['rollback', '--break-glass', '--env', 'production', '--reason', 'sign-in is down today', ...SURE];
const RENAMED = ['unshare', '--uts', 'sh', '-c', 'hostname renamed-since; exec "$@"', 'sh'];

let site: LocalSite;
beforeAll(async () => {
  site = await openLocalSite(['production']);
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  site.keep('adopted');
});
afterAll(() => site.close());
beforeEach(async () => {
  site.writeConfig({ bakeMs: 60_000 });
  await site.restore('adopted');
});
const running: RunningCli[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) {
    each.signal('SIGKILL');
    await each.ended;
  }
});

const ledger = () => join(site.stateDir, 'acme/production/kv-gateway/ledger');
const rescue = async (options?: CliOptions) => {
  const answer = await site.run([...RESCUE, '--state-dir', site.stateDir, '--json'], { timeoutMs: 60_000, ...options });
  return { ...answer, result: resultOf(answer) };
};

/** A promotion that bakes at 25 %. */
async function leads(options?: CliOptions): Promise<RunningCli> {
  const promotion = site.start(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE], { timeoutMs: 120_000, ...options });
  running.push(promotion);
  await promotion.waitFor(/bak/, 30_000);
  return promotion;
}

/** What any member of the group that shares a state could write: a newer claim. */
function forge(pid: number): void {
  const [newest = ''] = readdirSync(ledger())
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .reverse();
  const [first = ''] = readFileSync(join(ledger(), newest), 'utf8').split('\n');
  const line = JSON.parse(first) as { event: { claim: { by: { pid: number; started: string } } } };
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  Object.assign(line.event.claim.by, { pid, started: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] });
  writeFileSync(join(ledger(), '0099.jsonl'), `${JSON.stringify(line)}\n`, { mode: 0o600 });
}

test('break-glass ends a frozen leader whose host was renamed since', async () => {
  if (!isRoot('a host with another name')) return;
  const promotion = await leads({ via: RENAMED });
  promotion.signal('SIGSTOP');
  await stopped(promotion.process.pid ?? 0);
  const { exitCode, stderr } = await rescue();
  expect([exitCode, (await promotion.ended).exitCode], stderr).toEqual([0, 128 + 9]);
  expect(stderr).toContain('on renamed-since, was ended');
});

test('break-glass never ends a process that is not kvdeploy, whatever claim names it', async () => {
  const sleeper = spawn('sleep', ['300'], { stdio: 'ignore' });
  await until('the sleeper', () => (sleeper.pid === undefined ? undefined : true), 10_000);
  forge(sleeper.pid ?? 0);
  const { exitCode, stderr, result } = await rescue();
  expect([sleeper.exitCode, sleeper.signalCode, exitCode, result.code], stderr).toEqual([null, null, 5, 'NOT_VERIFIED']);
  expect(stderr).toContain('may still be running: it is not kvdeploy');
  expect(await site.percent('production', 'blue')).toBe(100);
  sleeper.kill('SIGKILL');
});

test('a leader in another container is left alone, and break-glass says that its changes are not verified', async () => {
  if (!isRoot('a container')) return;
  const promotion = await leads({ via: IN_CONTAINER });
  // Otherwise it would see the hold, and stop by itself.
  const pid = await contained(promotion.process.pid ?? 0);
  process.kill(pid, 'SIGSTOP');
  await stopped(pid);
  const { exitCode, stderr, result } = await rescue();
  expect([exitCode, result.code], stderr).toEqual([5, 'NOT_VERIFIED']);
  expect(stderr).toContain('may still be running: it runs in another pid namespace');
  expect(await site.percent('production', 'blue')).toBe(100);
});

test('resume takes over from a leader in another container only once it is silent', async () => {
  if (!isRoot('a container')) return;
  await leads({ via: IN_CONTAINER });
  const resumed = await site.run(['resume', ...PRODUCTION, '--json']);
  expect([resumed.exitCode, resultOf(resumed).code], resumed.stderr).toEqual([6, 'BUSY']);
});

describe('a leader of root that another user cannot see', () => {
  test('a leader that hidepid hides is not called gone, and break-glass says that its changes are not verified', async () => {
    if (!isRoot('hidepid')) return;
    const promotion = await leads();
    promotion.signal('SIGSTOP');
    await stopped(promotion.process.pid ?? 0);
    const { via: user, ...theirs } = givenToAnotherUser(site);
    const via = ['unshare', '-m', 'sh', '-c', 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', 'sh', ...user];
    const { exitCode, stderr, result } = await rescue({ ...theirs, via });
    expect([exitCode, result.code], stderr).toEqual([5, 'NOT_VERIFIED']);
    expect(stderr).toContain('may still be running: its pid is in use, but hidden in /proc');
    expect(await site.percent('production', 'blue')).toBe(100);
  });
});
