/** The disk of the state fills up in the middle of a rollout: what a rollback needs was put by, so it succeeds and is written down. */
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ext4Image, mayMount, mount, unmount } from '../crash/mounts.ts';
import { GREEN, PRODUCTION, SURE } from './local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from './local-site.ts';
import type { RunningCli } from './run-cli.ts';

let site: LocalSite;
let disk: string | undefined;
let promotion: RunningCli | undefined;
beforeEach(async () => {
  site = await openLocalSite(['production']);
});
afterEach(async () => {
  promotion?.signal('SIGKILL');
  await promotion?.ended;
  if (disk !== undefined) unmount(disk);
  disk = undefined;
  await site.close();
});

const reserve = () => join(site.stateDir, 'acme/production/kv-gateway/ledger/reserve');

/** A promotion that bakes at 25 %, with its state on a small disk. */
async function bakes(bakeMs: number): Promise<RunningCli> {
  mkdirSync(site.stateDir);
  disk = mount('ext4', ext4Image(), [], site.stateDir);
  site.writeConfig({ bakeMs });
  expect(resultOf(await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']))).toMatchObject({ ok: true });
  promotion = site.start(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json'], { timeoutMs: 60_000 });
  await promotion.waitFor(/"type":"poll"/, 30_000);
  return promotion;
}

/** Until not one byte more fits. */
function fill(): void {
  const fd = openSync(join(site.stateDir, 'filler'), 'w');
  for (const bytes of [64 * 1024, 4096, 512, 1]) {
    try {
      for (;;) writeSync(fd, Buffer.alloc(bytes, 1));
    } catch {
      // It is full for pieces of this size.
    }
  }
  closeSync(fd);
}

test('a rollout on a disk that fills up rolls back with what was put by for that, and writes it down', async () => {
  if (!mayMount('a full disk')) return;
  const running = await bakes(2500);
  const { size, blocks } = statSync(reserve());
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  fill();
  const answer = await running.ended;
  expect([answer.exitCode, resultOf(answer).code], answer.stderr).toEqual([4, 'REVERTED']);
  expect(answer.stdout + answer.stderr).toContain('the disk of the state is full');
  expect(await site.percent('production', 'blue')).toBe(100);
  rmSync(join(site.stateDir, 'filler'));
  expect((await site.run(['history', ...PRODUCTION])).stdout).toContain('the disk of the state is full');
  expect(existsSync(reserve())).toBe(false);
});

test('a gate that fails on a full disk rolls back and is written down', async () => {
  if (!mayMount('a full disk')) return;
  const running = await bakes(60_000);
  fill();
  site.backend('production', 'green').setFailPercent(100);
  const answer = await running.ended;
  expect([answer.exitCode, resultOf(answer).code], answer.stderr).toEqual([4, 'REVERTED']);
  expect(await site.percent('production', 'blue')).toBe(100);
  rmSync(join(site.stateDir, 'filler'));
  expect((await site.run(['history', ...PRODUCTION])).stdout).toContain('gates: fail: answers fail');
});
