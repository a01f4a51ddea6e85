/** What a plan says of how counts come, before anything is judged by them: clients that are bound, and processes that answer in turn. */
import { describe, expect, it } from 'vitest';
import type { ComparedGate } from '../../src/core/gates/comparison.ts';
import { lookAtComparison } from '../../src/engine/look-at-gates.ts';
import type { Io } from '../../src/io.ts';
import type { Reading } from '../../src/routers/router.ts';
import { CANDIDATE, SCOPE, STABLE } from '../core/manifest/builds.ts';
import { readingOf } from '../routers/readings.ts';

const BUILDS = { scope: SCOPE, candidate: CANDIDATE, stable: STABLE };

function readingWith(changes: Partial<Reading>): Reading {
  return readingOf([{ place: STABLE.ref, percent: 100, served: 9, byClass: { 200: 9 } }], changes);
}

async function looked(gate: Partial<ComparedGate>, reading: Reading, io: Partial<Io> = {}) {
  const compared: ComparedGate = { name: 'errors', source: 'local', settings: {}, compare: {}, ...gate };
  const clock = { now: () => 1_000_000, monotonic: () => 1, sleep: async () => undefined };
  const seen = await lookAtComparison([compared], {}, BUILDS, reading, async () => reading, { ...clock, ...io } as unknown as Io);
  const [first] = seen.gates;
  if (first === undefined) throw new Error('no gate was looked at');
  const settings = seen.comparison?.settings;
  return { ...first, settings, kinds: seen.comparison?.settings.metrics.map(({ kind }) => kind) };
}

describe('clients that are bound to a server', () => {
  const bound = readingWith({ sticky: 'cookie SRV' });

  it('clients that are bound leave the traffic share out, and plan says by what', async () => {
    const { kinds, countable } = await looked({}, bound);
    expect(kinds).not.toContain('traffic');
    expect(countable?.notes).toEqual([
      expect.stringMatching(/share is not judged: clients are bound to a server \(cookie SRV\)/),
    ]);
    expect((await looked({}, readingWith({}))).kinds).toContain('traffic');
    expect((await looked({}, readingWith({}))).countable?.notes).toEqual([]);
  });

  it('clients that are bound do not overrule a gate that asks for the traffic share', async () => {
    const { kinds, countable } = await looked({ compare: { traffic: true } }, bound);
    expect(kinds).toContain('traffic');
    expect(countable?.notes?.[0]).toMatch(/is judged, as compare: \{ traffic: true \} says/);
  });
});

describe('two looks at the totals of a process', () => {
  const looking = async (...totals: readonly number[]) => {
    let look = 0;
    const count = (requests: number) => JSON.stringify({ targets: { 'pod:80': { slices: { all: { requests, errors: 0 } } } } });
    const run = async ([, place]: readonly string[]) => {
      const stdout = count(place === STABLE.ref ? (totals[look++] ?? 0) : 0);
      return { exitCode: 0, stdout, stderr: '' };
    };
    const settings = { argv: ['/usr/bin/count', '${place}'] };
    const seen = await looked({ source: 'command', settings }, readingWith({}), { run } as unknown as Partial<Io>);
    return { silent: seen.silent, ...(await seen.traffic()) };
  };

  it('two looks at totals that go back name the target, and several processes behind one address', async () => {
    expect(await looking(900, 40)).toMatchObject({
      notes: [expect.stringMatching(/^a total of pod:80 is lower at the second look: .*several processes answer behind one/)],
    });
    expect(await looking(40, 900)).toMatchObject({ silent: undefined, notes: [] });
  });
});

describe('members of the candidate before they get anything', () => {
  const member = (place: string, name: string, requests: number) => ({
    ...{ place, name, percent: requests > 0 ? 50 : 0, served: requests, byClass: { 200: requests } },
    parked: requests === 0,
  });

  it('the plan fixes the members of the candidate as slices, though the stable build alone has requests', async () => {
    const told = [
      member(STABLE.ref, 'b1', 9),
      member(STABLE.ref, 'b2', 9),
      member(CANDIDATE.ref, 'g1', 0),
      member(CANDIDATE.ref, 'g2', 0),
    ];
    const { countable, settings } = await looked({}, readingOf(told));
    expect(countable?.members).toEqual(['member g1', 'member g2']);
    const errors = settings?.metrics.find(({ metric }) => metric === 'errors');
    expect(errors?.slices.map(({ name }) => name)).toEqual(['member g1', 'member g2', 'members that came later']);
  });

  it('a candidate of one member is judged as a whole, however many the stable build has', async () => {
    const told = [member(STABLE.ref, 'b1', 9), member(STABLE.ref, 'b2', 9), member(CANDIDATE.ref, 'g1', 0)];
    const { settings } = await looked({}, readingOf(told));
    expect(settings?.metrics.flatMap(({ slices }) => slices)).toEqual([]);
  });

  it('a member behind a router with several locations is named with its location, also while one of them is silent', async () => {
    const told = [member(STABLE.ref, 'b1', 9), member(CANDIDATE.ref, 'g1', 0), member(CANDIDATE.ref, 'g2', 0)];
    const { countable } = await looked({}, readingOf(told, { unseen: [{ why: 'edge2 does not answer', cure: 'start it' }] }));
    expect(countable?.members).toEqual(['member g1 at edge', 'member g2 at edge']);
  });
});
