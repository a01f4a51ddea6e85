/** Hundreds of rollouts of healthy members: false alarms stay within alpha in total, whatever the number of members. */
import { expect, it } from 'vitest';
import { Random, seedOf } from '../../../bench/gates/random.ts';
import { rollout, type World } from './member-worlds.ts';

const SEED = Number(process.env['KVDEPLOY_SEED'] ?? 20261130);

const TEN: World = { candidates: 10, stables: 10, percent: 10, rps: 100, untilS: 600, pollS: 5 };

it.each([
  ['ten members', TEN, 400],
  ['ten members with half of the traffic', { ...TEN, percent: 50 }, 200],
  ['sixty members', { ...TEN, candidates: 60, stables: 60, rps: 300, untilS: 300 }, 60],
  ['sixty members next to three stable ones', { ...TEN, candidates: 60, stables: 3, rps: 300, untilS: 300 }, 60],
])(`healthy members end no more than one rollout in a hundred: %s (seed ${SEED})`, (_what, world, count) => {
  const ended = Array.from({ length: count }, (_, run) => rollout(world, run, SEED)).filter(({ atS }) => atS !== null);
  // Three standard deviations above 1 %.
  expect(ended.length).toBeLessThanOrEqual(Math.floor(0.01 * count + 3 * Math.sqrt(0.01 * count)));
});

it(`members whose failures come in bursts end no more rollouts than that (seed ${SEED})`, () => {
  const count = 100;
  const ended = Array.from({ length: count }, (_, run) => {
    const random = new Random(seedOf(`bursts of members ${run}`, SEED));
    const bursts = new Map<string, ReadonlySet<number>>();
    // About every ten minutes of its own each member of either build fails a third of what it gets for three seconds.
    const fails = (member: string, second: number) => {
      const own = bursts.get(member) ?? new Set(Array.from({ length: 2 }, () => Math.floor(random.unit() * 700) - 90));
      bursts.set(member, own);
      return [...own].some((at) => second >= at && second < at + 3) ? 0.3 : 0.001;
    };
    return rollout({ ...TEN, pollS: 1, percent: 10, rps: 400, untilS: 300, fails }, run, SEED);
  }).filter(({ atS }) => atS !== null);
  expect(ended.length).toBeLessThanOrEqual(4);
});
