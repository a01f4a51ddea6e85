/** Members of a place in the counters: what one of them did, next to the whole stable build at its location. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import { comparisonOf } from '../../../../src/core/gates/comparison.ts';
import { checkedGatePoll, type GatePoll, gatePollOf, streamBlocks } from '../../../../src/core/gates/counting/blocks.ts';
import { type ArmCounters, countersSince, NO_COUNTERS, type Target } from '../../../../src/core/gates/counting/counters.ts';
import { CLASS_METRICS, statusCounters } from '../../../../src/core/gates/counting/statuses.ts';
import { WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { crashesTooOften, mostCrashed, watched } from '../../../../src/core/gates/verdict/crash-watch.ts';

const SEED = Number(process.env['KVDEPLOY_SEED'] ?? 20261130);

type Counted = readonly [requests: number, failed: number];

const target = ([requests, failed]: Counted, atMs: number, member: Target['member'], downs?: number): Target => ({
  startedMs: null,
  freshMs: atMs,
  counters: statusCounters({ '2xx': requests - failed, '5xx': failed }, CLASS_METRICS),
  ...(member === undefined ? {} : { member }),
  ...(downs === undefined ? {} : { downs }),
});

/** Members by `edge1 green-1`, as a router counts them. */
function arm(
  members: Readonly<Record<string, Counted>>,
  atMs: number,
  downs: Readonly<Record<string, number>> = {},
): ArmCounters {
  const targets = Object.entries(members).map(([key, counts]) => {
    const [location = '', name = ''] = key.split(' ');
    return [key, target(counts, atMs, { name: `member ${name} at ${location}`, location }, downs[key])] as const;
  });
  return { targets: Object.fromEntries(targets) };
}

const block = ([requests, failures]: Counted, [stable, stableFailures]: Counted) => ({
  candidate: { requests, failures },
  stable: { requests: stable, failures: stableFailures },
});

/** The poll between two readings a second apart. */
function between(before: { readonly candidate: ArmCounters; readonly stable: ArmCounters }, after: typeof before): GatePoll {
  const { memory } = countersSince(NO_COUNTERS, before, 1000);
  return gatePollOf(countersSince(memory, after, 1000), CLASS_METRICS);
}

const BLUES = { 'edge1 blue-1': [0, 0], 'edge1 blue-2': [0, 0], 'edge2 blue-1': [0, 0] } as const;
const NEXT_BLUES = { 'edge1 blue-1': [90, 1], 'edge1 blue-2': [110, 3], 'edge2 blue-1': [50, 0] } as const;

describe('members of a place in the counters', () => {
  it('each member stands next to all stable members of its own location, pooled', () => {
    const greens = { 'edge1 green-1': [5, 1], 'edge1 green-2': [7, 0], 'edge2 green-1': [9, 9] } as const;
    const poll = between(
      {
        candidate: arm({ 'edge1 green-1': [0, 0], 'edge1 green-2': [0, 0], 'edge2 green-1': [0, 0] }, 1000),
        stable: arm(BLUES, 1000),
      },
      { candidate: arm(greens, 2000), stable: arm(NEXT_BLUES, 2000) },
    );
    expect(poll.members?.['errors']).toEqual({
      'member green-1 at edge1': block([5, 1], [200, 4]),
      'member green-2 at edge1': block([7, 0], [200, 4]),
      'member green-1 at edge2': block([9, 9], [50, 0]),
    });
    expect(poll.blocks['errors']?.[WHOLE]).toEqual(block([21, 10], [250, 4]));
  });

  it('a member that leaves costs only what it alone had not reported, and one that comes counts from its first reading', () => {
    const names = Array.from({ length: 10 }, (_, index) => `edge1 green-${index + 1}`);
    const of = (some: readonly string[], counts: Counted) => Object.fromEntries(some.map((name) => [name, counts]));
    const poll = between(
      { candidate: arm(of(names, [100, 0]), 1000), stable: arm(BLUES, 1000) },
      {
        candidate: arm({ ...of(names.slice(1), [110, 1]), 'edge1 green-11': [5000, 400] }, 2000),
        stable: arm(NEXT_BLUES, 2000),
      },
    );
    expect(poll.candidate).toEqual({ state: 'counted' });
    expect(Object.keys(poll.members?.['errors'] ?? {}).length).toBe(10);
    expect(poll.members?.['errors']?.['member green-11 at edge1']).toEqual(block([0, 0], [200, 4]));
    expect(poll.members?.['errors']?.['member green-2 at edge1']).toEqual(block([10, 1], [200, 4]));
  });

  it('counters kept by location alone, of a place that has members by now, begin anew and invent nothing', () => {
    const old = countersSince(
      NO_COUNTERS,
      {
        candidate: { targets: { edge1: target([50, 0], 1000, undefined) } },
        stable: { targets: { edge1: target([900, 0], 1000, undefined) } },
      },
      1000,
    ).memory;
    const greens = arm({ 'edge1 green-1': [5000, 700], 'edge1 green-2': [5000, 0] }, 2000);
    const delta = countersSince(old, { candidate: greens, stable: arm(BLUES, 2000) }, 1000);
    const poll = gatePollOf(delta, CLASS_METRICS);
    expect(poll.blocks['errors']?.[WHOLE]).toEqual(block([0, 0], [0, 0]));
    const more = {
      candidate: arm({ 'edge1 green-1': [5010, 701], 'edge1 green-2': [5010, 0] }, 3000),
      stable: arm(NEXT_BLUES, 3000),
    };
    const next = gatePollOf(countersSince(delta.memory, more, 1000), CLASS_METRICS);
    expect(next.members?.['errors']?.['member green-1 at edge1']).toEqual(block([10, 1], [200, 4]));
  });

  it('a plan without members ignores what is counted by member, and one with them takes it for no slice', () => {
    const settings = (members?: readonly string[]) =>
      comparisonOf(
        [{ name: 'errors', source: 'haproxy', settings: {}, compare: {} }],
        {},
        new Map([
          [
            'errors',
            { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs: 0, ...(members === undefined ? {} : { members }) },
          ],
        ]),
      ).settings;
    const poll = between(
      { candidate: arm({ 'edge1 green-1': [0, 0], 'edge1 green-2': [0, 0] }, 1000), stable: arm(BLUES, 1000) },
      { candidate: arm({ 'edge1 green-1': [5, 1], 'edge1 green-2': [7, 0] }, 2000), stable: arm(NEXT_BLUES, 2000) },
    );
    for (const one of [settings(), settings(['member green-1 at edge1', 'member green-2 at edge1'])])
      expect(checkedGatePoll(one, 'errors', poll, 0.1).candidate).toEqual({ state: 'counted' });
    const [metric] = settings(['member green-1 at edge1', 'member green-9 at edge1']).metrics;
    if (metric === undefined) throw new Error('no metric');
    // The second of them is not there, and the last is for those that the plan does not know.
    expect(streamBlocks(metric, poll.blocks['errors'] ?? {}, poll.members?.['errors'])).toEqual([
      block([12, 1], [250, 4]),
      block([5, 1], [200, 4]),
      block([0, 0], [0, 0]),
      block([7, 0], [250, 4]),
    ]);
  });

  it('counts of a member that make no sense are invalid, and never health', () => {
    const settings = comparisonOf(
      [{ name: 'errors', source: 'haproxy', settings: {}, compare: {} }],
      {},
      new Map([
        ['errors', { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs: 0, members: ['member a', 'member b'] }],
      ]),
    ).settings;
    const counts = { [WHOLE]: block([10, 0], [90, 0]) };
    const poll: GatePoll = {
      candidate: { state: 'counted' },
      stable: { state: 'counted' },
      blocks: { errors: counts, traffic: counts },
      members: { errors: { 'member a': block([3, 5], [90, 0]) } },
    };
    expect(checkedGatePoll(settings, 'errors', poll, 0.1).candidate).toEqual({
      state: 'invalid',
      why: 'errors: member a: 5 failures but only 3 requests',
    });
  });
});

describe('members that crash', () => {
  const greens = { 'edge1 green-1': [9, 0], 'edge1 green-2': [9, 0], 'edge1 green-3': [9, 0] } as const;
  const at = (atMs: number, downs: number) => ({
    candidate: arm(greens, atMs, { 'edge1 green-1': 0, 'edge1 green-2': downs, 'edge1 green-3': 0 }),
    stable: arm(BLUES, atMs, { 'edge1 blue-1': 0, 'edge1 blue-2': 0, 'edge2 blue-1': 0 }),
  });

  it('the one member of three that a router saw go down is named', () => {
    const begun = countersSince(NO_COUNTERS, at(1000, 4), 1000);
    const first = countersSince(begun.memory, at(2000, 5), 1000);
    const poll = gatePollOf(first, CLASS_METRICS);
    expect(poll.candidate).toEqual({ state: 'reset', why: 'the router saw member green-2 at edge1 go down once' });
    const later = gatePollOf(
      countersSince(countersSince(first.memory, at(3000, 6), 1000).memory, at(4000, 6), 1000),
      CLASS_METRICS,
    );
    expect(later.candidate).toEqual({ state: 'counted' });
    expect(later.notes).toEqual(['member green-2 at edge1 went down twice']);
  });

  it('a crashing member of three is found as soon as a build of one member is, and named', () => {
    const downsOf = (times: number) => ({ 'member green-1': 0, 'member green-2': times, 'member green-3': 0 });
    let watch = watched(undefined, { candidate: downsOf(0), stable: { 'member blue-1': 0 } }, 0);
    for (let second = 1; crashesTooOften(watch) === null && second < 600; second += 1)
      watch = watched(watch, { candidate: downsOf(Math.floor(second / 30)), stable: { 'member blue-1': 0 } }, second * 1000);
    expect(crashesTooOften(watch)).toBeLessThanOrEqual(4);
    expect(mostCrashed(watch)).toEqual({ name: 'member green-2', times: crashesTooOften(watch) });
  });
});

it(`members that come, go and begin again by chance never add up to more than the whole (seed ${SEED})`, () => {
  const random = seeded(SEED);
  for (let run = 0; run < 200; run += 1) {
    const totals = new Map<string, [number, number]>();
    const keys = ['edge1', 'edge2'].flatMap((edge) => [1, 2, 3, 4].map((number) => `${edge} green-${number}`));
    const read = (build: string, atMs: number) => {
      const here = keys.filter(() => random() < 0.9).map((key) => key.replace('green', build));
      const counts = here.map((key) => {
        const [requests, failed] = random() < 0.02 ? [0, 0] : (totals.get(key) ?? [0, 0]);
        const more = Math.floor(random() * 20);
        const total: [number, number] = [requests + more, failed + Math.floor(random() * (more + 1))];
        totals.set(key, total);
        return [key, total] as const;
      });
      return arm(Object.fromEntries(counts), atMs);
    };
    let memory = NO_COUNTERS;
    for (let poll = 1; poll <= 20; poll += 1) {
      const delta = countersSince(memory, { candidate: read('green', poll * 1000), stable: read('blue', poll * 1000) }, 1000);
      memory = JSON.parse(JSON.stringify(delta.memory)) as typeof memory;
      const { members = {}, blocks } = gatePollOf(delta, CLASS_METRICS);
      for (const [metric, each] of Object.entries(members)) {
        const whole = blocks[metric]?.[WHOLE];
        const sum = (of: 'requests' | 'failures') => Object.values(each).reduce((all, one) => all + one.candidate[of], 0);
        expect([sum('requests'), sum('failures')]).toEqual([whole?.candidate.requests, whole?.candidate.failures]);
        const beside = new Map(Object.entries(each).map(([name, { stable }]) => [name.slice(-5), stable]));
        const stable = [...beside.values()].reduce((all, one) => all + one.requests, 0);
        expect(stable).toBeLessThanOrEqual(whole?.stable.requests ?? 0);
      }
    }
  }
});
