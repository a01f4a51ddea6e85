/** kill -9 of the runner at random moments of a rollout on real HAProxy; then `resume` or `rollback` must end right, from any of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BIN } from '../cli/run-cli.ts';
import { documentOf, openSite, PRODUCTION, type Site } from './site.ts';

const ROUNDS = 40;
/** A rollout makes fewer; what comes after them sees it end by itself. */
const FSYNCS = 40;
/** From before the claim to after the end: the whole of a rollout. */
const LATEST_MS = 3000;
const seed = Number(process.env['KVDEPLOY_SEED'] ?? Date.now() % 1_000_000);

/** A number below 1 that seed and round decide (mulberry32). */
function chance(round: number): number {
  let t = (seed * 1000 + round + 0x6d2b79f5) | 0;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

interface Seen {
  readonly knownGood: { readonly guid: string };
  readonly rollout: { readonly phase: string };
  readonly drift: string | null;
  readonly hold: null;
}

async function endsRight(site: Site, ending: 'resume' | 'rollback'): Promise<void> {
  const { blue, green } = site.builds;
  const ended = await site.run(ending === 'resume' ? 'resume --env production --json' : `rollback ${PRODUCTION}`);
  // 2: the kill came before the rollout began or after it was over, so that there was nothing to do.
  expect([0, 2], `${ended.result.code} ${ended.stderr}`).toContain(ended.exitCode);
  if (ended.exitCode === 2) expect(['NOTHING_TO_DO', 'KNOWN_GOOD_SERVES']).toContain(ended.result.code);
  const seen = documentOf<Seen>(await site.run('status --env production --json'));
  const serves = seen.knownGood.guid === green.guid ? green : blue;
  if (ending === 'rollback' && ended.exitCode === 0) expect(serves).toBe(blue);
  expect(seen).toMatchObject({ knownGood: { guid: serves.guid }, drift: null, hold: null });
  expect(['done', 'reverted', 'refused']).toContain(seen.rollout.phase);
  expect(await site.split()).toEqual({ [serves.place]: 100 });
  expect(await site.answers(20)).toEqual({ [serves.place]: 20 });
  const verified = await site.run('pointer verify --env production --json');
  expect(verified.exitCode, verified.stderr).toBe(0);
}

describe.concurrent(`kill -9 at a random moment (seed ${seed})`, () => {
  it.each(Array.from({ length: ROUNDS }, (_, round) => round))('a kill -9 ends right, round %i', async (round) => {
    const atMs = Math.round(chance(round) * LATEST_MS);
    await afterKill(`seed ${seed}, after ${atMs} ms`, round, async (site) => {
      const running = site.start(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
      await pause(atMs);
      running.signal('SIGKILL');
      await running.ended.catch(() => undefined);
    });
  });
});

describe.concurrent('kill -9 at every fsync of a rollout', () => {
  it.each(Array.from({ length: FSYNCS }, (_, index) => index + 1))('a kill -9 at fsync %i ends right', async (when) => {
    await afterKill(`fsync ${when}`, when, (site) => killedAtFsync(site, when));
  });
});

async function afterKill(what: string, round: number, promoteAndKill: (site: Site) => Promise<void>): Promise<void> {
  const site = await openSite();
  try {
    await promoteAndKill(site);
    await endsRight(site, round % 2 === 0 ? 'resume' : 'rollback');
  } catch (cause) {
    throw new Error(`${what}: ${String(cause)}`, { cause });
  } finally {
    await site.close();
  }
}

/** strace ends the runner when it enters its `when`-th fsync: between what was written and what is promised. */
async function killedAtFsync(site: Site, when: number): Promise<void> {
  const program = [process.execPath, BIN, 'promote', '--build', site.builds.green.guid, ...PRODUCTION.split(' ')];
  const inject = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', '-e', `inject=fsync:signal=SIGKILL:when=${when}`];
  const child = spawn('strace', [...inject, ...program], {
    cwd: site.checkout,
    env: { PATH: process.env['PATH'], ...site.env },
    stdio: 'ignore',
  });
  await once(child, 'close');
}
