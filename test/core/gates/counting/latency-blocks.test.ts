/** Latency next to other metrics: compared on the bounds that both builds have, and unseen by itself where it cannot be compared. */
import { describe, expect, it } from 'vitest';
import { gatePollOf } from '../../../../src/core/gates/counting/blocks.ts';
import { type ArmCounters, type Counters, countersSince, NO_COUNTERS } from '../../../../src/core/gates/counting/counters.ts';
import {
  bareProcess,
  boundsOf,
  type Latency,
  latencyBlocks,
  standingStill,
  withLatency,
  withoutBuckets,
} from '../../../../src/core/gates/counting/latency-blocks.ts';
import { slowerThan } from '../../../../src/core/gates/counting/metric-counters.ts';
import { feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { type GateSettings, LATENCY_MARGIN, SETTINGS_DEFAULTS, WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { blockOf, type Counts, ERRORS } from '../verdict/judged.ts';

type Buckets = Readonly<Record<string, number>>;

/** A process by its buckets, `0.5` for le="0.5". */
const pod = (atS: number, buckets: Buckets) => ({
  startedMs: null,
  freshMs: atS * 1000,
  counters: Object.entries(buckets).map(([le, value]) => ({ counter: `le:${le}`, slice: '', value })),
});

const podsAt = (atS: number, pods: readonly Buckets[]): ArmCounters => ({
  targets: Object.fromEntries(pods.map((buckets, index) => [`pod-${index}`, pod(atS, buckets)])),
});

const zeros = (pods: readonly Buckets[]) => pods.map((buckets) => Object.fromEntries(Object.keys(buckets).map((le) => [le, 0])));

const MS_250 = { '0.1': 60, '0.5': 90, '+Inf': 100 };
const JUDGED = ['slower than 0.1s', 'slower than 0.5s'];

/** What is said of both builds' latency after these buckets were counted from 0. */
function latencyOf(candidate: readonly Buckets[], stable: readonly Buckets[], judged = JUDGED): Latency {
  const first: Counters = { candidate: podsAt(0, zeros(candidate)), stable: podsAt(0, zeros(stable)) };
  const second: Counters = { candidate: podsAt(15, candidate), stable: podsAt(15, stable) };
  const delta = countersSince(countersSince(NO_COUNTERS, first, 10_000).memory, second, 10_000);
  return latencyBlocks(
    delta,
    boundsOf(second),
    judged,
    [0.05, 0.1, 0.25, 0.5].map((seconds) => slowerThan(seconds)),
  );
}

describe('latency of two builds', () => {
  it('the blocks of a latency bound count the requests that were slower', () => {
    const { blocks, ...rest } = latencyOf([MS_250], [{ '0.1': 700, '0.5': 995, '+Inf': 1000 }]);
    expect(blocks).toEqual({
      'slower than 0.1s': { [WHOLE]: blockOf([40, 100, 300, 1000]) },
      'slower than 0.5s': { [WHOLE]: blockOf([10, 100, 5, 1000]) },
    });
    expect(rest).toEqual({});
  });

  it('builds with different buckets are compared on the bounds that both have, which is said', () => {
    const { blocks, unseen, note } = latencyOf([{ ...MS_250, '0.25': 80 }], [MS_250]);
    expect(blocks['slower than 0.5s']?.[WHOLE]).toEqual(blockOf([10, 100, 10, 100]));
    expect(unseen).toBeUndefined();
    expect(note).toBe('latency is compared on the buckets that both builds have: 0.1s 0.5s');
  });

  it('a bound that only the stable build has is not judged, and holds nothing', () => {
    const { blocks, unseen, note } = latencyOf([{ '0.1': 60, '+Inf': 100 }], [MS_250]);
    expect(blocks['slower than 0.1s']?.[WHOLE]).toEqual(blockOf([40, 100, 40, 100]));
    expect(blocks['slower than 0.5s']?.[WHOLE]).toEqual(blockOf([0, 0, 0, 0]));
    expect(unseen).toBeUndefined();
    expect(note).toMatch(/; not judged: slower than 0\.5s$/);
  });

  it('processes of one build with different buckets are compared on the bounds that all of them have', () => {
    const { blocks, note } = latencyOf([MS_250, { '0.25': 1, '0.5': 5, '+Inf': 10 }], [MS_250, MS_250]);
    expect(blocks['slower than 0.5s']?.[WHOLE]).toEqual(blockOf([15, 110, 20, 200]));
    expect(blocks['slower than 0.1s']?.[WHOLE]).toEqual(blockOf([0, 0, 0, 0]));
    expect(note).toMatch(/both builds have: 0\.5s; not judged: slower than 0\.1s/);
  });

  it('builds that share no bound but +Inf leave latency unseen, with both lists', () => {
    const { unseen } = latencyOf([{ '0.25': 60, '+Inf': 100 }], [MS_250]);
    expect(unseen).toBe('the builds share no bucket that is judged: the candidate has 0.25s, the stable build 0.1s 0.5s');
    expect(latencyOf([{ '+Inf': 100 }], [MS_250]).unseen).toMatch(/the candidate has none but \+Inf/);
  });

  it.each([
    [
      'a bucket that counts less than a smaller one',
      { '0.1': 91, '0.5': 90, '+Inf': 100 },
      /bucket le:0\.5 has a lower count than/,
    ],
    ['a bucket that counts more than all of them', { '0.5': 101, '+Inf': 100 }, /bucket le:\+Inf has a lower count/],
    ['no bucket of everything', { '0.5': 90 }, /no bucket \+Inf/],
    ['a bound that is no number', { x: 1, '0.5': 90, '+Inf': 100 }, /x is not a valid bound/],
  ])('latency is unseen for %s', (_what, candidate, why) => {
    expect(latencyOf([candidate], [candidate as Buckets]).unseen).toMatch(why);
  });

  it('a process that had requests and has no buckets is named, unless the queries tell processes apart in other ways', () => {
    const requests = (name: string, value: number) =>
      [name, { startedMs: null, freshMs: 0, counters: [{ counter: 'requests', slice: '', value }] }] as const;
    const counts = (other: number): Counters => ({
      candidate: { targets: Object.fromEntries([requests('pod-0', 9), requests('pod-1', other)]) },
      stable: { absent: true },
    });
    const latency: Counters = { candidate: podsAt(0, [MS_250]), stable: { absent: true } };
    expect(bareProcess(counts(5), latency)).toBe('candidate: pod-1 had requests but has no buckets');
    expect(bareProcess(counts(0), latency)).toBeUndefined();
    const summed: Counters = { candidate: { targets: { 'the total': pod(0, MS_250) } }, stable: { absent: true } };
    expect(bareProcess(counts(5), summed)).toBeUndefined();
  });

  it('buckets that stand still while the candidate has requests are not seen, and few requests say nothing', () => {
    const still = latencyOf([{ '0.5': 0, '+Inf': 0 }], [{ '0.5': 900, '+Inf': 1000 }], ['slower than 0.5s']);
    expect(standingStill(still, blockOf([0, 100, 0, 1000]))).toBe(
      'candidate: its buckets stand still, while it had 100 requests',
    );
    expect(standingStill(still, blockOf([0, 9, 0, 1000]))).toBeUndefined();
    expect(standingStill(latencyOf([MS_250], [MS_250]), blockOf([0, 100, 0, 100]))).toBeUndefined();
  });

  it('buckets that an older version kept with the counts are left out, and the counts stay', () => {
    const targets = { a: { startedMs: null, freshMs: 1, values: { 'requests|': 5, 'le:0.5|': 4 } } };
    const memory = { candidate: { freshMs: 1, targets }, stable: { freshMs: null, targets: {} } };
    expect(withoutBuckets(memory).candidate.targets['a']?.values).toEqual({ 'requests|': 5 });
  });
});

describe('latency that cannot be seen', () => {
  const SLOWER = 'slower than 0.5s';
  const settings: GateSettings = {
    ...SETTINGS_DEFAULTS,
    dwellMs: 0,
    lagMs: 0,
    metrics: [
      { ...ERRORS, weight: 0.5 },
      {
        ...ERRORS,
        metric: SLOWER,
        tolerated: LATENCY_MARGIN,
        limit: null,
        certified: false,
        holdsInIncident: false,
        weight: 0.5,
      },
    ],
  };
  const WHY = 'the builds share no bucket that is judged';
  const judgedAfter = (counts: Counts, latency: Latency) => {
    const counted = { state: 'counted' } as const;
    const poll = withLatency({ candidate: counted, stable: counted, blocks: { errors: { [WHOLE]: blockOf(counts) } } }, latency);
    let evidence = openEvidence(settings, { atMs: 0, share: 0.5 });
    for (let block = 1; block <= 10; block += 1)
      evidence = feed(settings, evidence, { atMs: block * 15_000, gates: { errors: poll } });
    return judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: 1 });
  };
  const nothing = { [SLOWER]: { [WHOLE]: blockOf([0, 0, 0, 0]) } };

  it('errors roll back while latency cannot be seen, and the reason names both', () => {
    const said = judgedAfter([500, 1000, 0, 1000], { blocks: nothing, unseen: WHY });
    expect(said).toMatchObject({ verdict: 'fail' });
    expect(said.why).toMatch(/^errors: 5000 of 10000 .*; latency is not seen: the builds share no bucket that is judged$/);
  });

  it('a build without errors holds while its latency cannot be seen', () => {
    const said = judgedAfter([0, 2500, 0, 2500], { blocks: nothing, unseen: WHY });
    expect(said).toMatchObject({
      verdict: 'hold',
      reasons: [{ what: 'data', gate: 'errors', why: `latency is not seen: ${WHY}` }],
    });
  });

  it('a build passes where latency is compared on the shared bounds, and the verdict says so', () => {
    const slower = { [SLOWER]: { [WHOLE]: blockOf([10, 1000, 10, 1000]) } };
    const said = judgedAfter([0, 2500, 0, 2500], {
      blocks: slower,
      note: 'latency is compared on the buckets that both builds have: 0.5',
    });
    expect(said).toMatchObject({ verdict: 'pass' });
    expect(said.why).toMatch(/latency is compared on the buckets that both builds have: 0\.5$/);
  });

  it('one metric whose counts make no sense is unseen, and the others are judged', () => {
    const odd = { [SLOWER]: { [WHOLE]: blockOf([1001, 1000, 0, 1000]) } };
    expect(judgedAfter([500, 1000, 0, 1000], { blocks: odd })).toMatchObject({ verdict: 'fail' });
    const held = judgedAfter([0, 2500, 0, 2500], { blocks: odd });
    expect(held.verdict).toBe('hold');
    expect(held.why).toMatch(/slower than 0\.5s is not seen: candidate: 1001 failures but only 1000 requests/);
  });

  it('a metric that its source could not read counts nothing, however its counters look', () => {
    const delta = countersSince(NO_COUNTERS, { candidate: podsAt(0, [MS_250]), stable: podsAt(0, [MS_250]) }, 0);
    expect(gatePollOf(delta, [], { errors: 'why' }).unseen).toEqual({ errors: 'why' });
  });
});
