/** Evidence on a line of the ledger: short, bounded, and read again to the last bit. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import type { GatePoll } from '../../../../src/core/gates/counting/blocks.ts';
import { LOG_NOTHING } from '../../../../src/core/gates/evidence/e-process.ts';
import { type Evidence, openEvidence, streamsOf } from '../../../../src/core/gates/evidence/evidence.ts';
import {
  compactEvidence,
  misfit,
  storedEvidence,
  storedEvidenceSchema,
} from '../../../../src/core/gates/evidence/evidence-store.ts';
import { METRIC_DEFAULTS, WHOLE, weighted } from '../../../../src/core/gates/gate-settings.ts';
import { eventSchema, storedEvent } from '../../../../src/core/ledger/events.ts';
import { EMPTY_HEAD, type Entry, encodeLine, parseEntry } from '../../../../src/core/ledger/ledger.ts';
import { blockOf, counted, ERRORS, fed, settingsOf } from '../verdict/judged.ts';

const SLICES = 50;
const slices = Array.from({ length: SLICES }, (_, index) => ({ name: `s${index}`, part: 1 }));
const many = settingsOf({
  metrics: weighted([{ ...METRIC_DEFAULTS, gate: 'errors', metric: 'errors', family: 'errors', slices }]),
});

/** A poll in which every slice fails `rate` of its requests, by both builds. */
function pollOf(random: () => number, rate: number): GatePoll {
  const failed = (requests: number) => Array.from({ length: requests }, () => random()).filter((one) => one < rate).length;
  const blocks = slices.map(({ name }) => [name, blockOf([failed(10), 10, failed(90), 90])] as const);
  const all = blocks.reduce(
    ([kc, nc, kb, nb], [, { candidate, stable }]) =>
      [kc + candidate.failures, nc + candidate.requests, kb + stable.failures, nb + stable.requests] as const,
    [0, 0, 0, 0] as readonly [number, number, number, number],
  );
  return counted({ [WHOLE]: blockOf(all), ...Object.fromEntries(blocks) });
}

function polledFor(polls: number, rate: number, seed = 11): Evidence {
  const random = seeded(seed);
  return fed(
    many,
    Array.from({ length: polls }, () => pollOf(random, rate)),
    0.1,
  );
}

const bytes = (value: unknown) => JSON.stringify(value).length;
const readAgain = (evidence: Evidence) => storedEvidenceSchema.parse(JSON.parse(JSON.stringify(storedEvidence(evidence))));

describe('evidence that is written down', () => {
  it('evidence is read again to the last bit, whether it was made compact or not', () => {
    const states = [openEvidence(many, { atMs: 0, share: 0.1 }), polledFor(1, 0), polledFor(30, 0.001), polledFor(30, 0.2)];
    for (const evidence of states) {
      expect(readAgain(evidence)).toEqual(evidence);
      expect(readAgain(compactEvidence(evidence))).toEqual(compactEvidence(evidence));
      expect(misfit(many, readAgain(evidence))).toBeUndefined();
    }
  });

  it('evidence is on its line of the ledger what it was in the event', () => {
    const evidence = compactEvidence(polledFor(20, 0.01));
    const entry: Entry = {
      seq: 1,
      prev: EMPTY_HEAD.hash,
      at: '2026-01-01T00:00:00.000Z',
      actor: 'a',
      host: 'h',
      boot: 'b',
      event: {
        type: 'polled',
        atMs: 0,
        verdict: 'hold',
        watchedMs: 0,
        missingMs: 0,
        advance: true,
        gates: [],
        evidence: { evidence, counters: {} },
        checkpoint: true,
      },
    };
    const line = encodeLine(entry);
    expect(parseEntry(line.subarray(0, -1))).toEqual({ ...entry, digest: expect.any(String) });
    expect(line.length).toBeLessThan(bytes(entry) * 0.8);
  });

  it('evidence of an older version is read, whatever its words, and counts as lost', () => {
    const crossed = { atMs: 300_000, logE: 5 };
    const { wholes, ...rest } = storedEvidence(compactEvidence({ ...polledFor(20, 0.01), crossed }));
    expect(Object.keys(wholes)).toEqual(['errors/errors']);
    const ways = { logE: 0.3, neededLogE: 4.6, slice: null };
    for (const words of [{ clumps: {} }, { clusters: { 'errors/errors': { upTo: [1, 1], last: [1, 1], pairs: 1, apart: 1 } } }]) {
      const old = {
        type: 'polled',
        atMs: 0,
        verdict: 'not-yet',
        watchedMs: 0,
        missingMs: 0,
        advance: true,
        gates: [
          { gate: 'errors', verdict: 'not-yet', why: '', requests: 1, errors: 0, evidence: { back: 0.1, on: 0.2, ...ways } },
        ],
        evidence: { evidence: { ...rest, version: 1, ...words }, counters: {} },
      };
      const event = eventSchema.parse(JSON.parse(JSON.stringify(old)));
      const read = event.type === 'polled' ? event.evidence?.evidence : undefined;
      expect(read).toMatchObject({ version: 2, lost: 0, share: 0.1, crossed });
      expect(misfit(many, read ?? expect.fail('no evidence'))).toMatch(/has 0 streams/);
      expect(JSON.stringify(storedEvent(event))).not.toMatch(/not-yet|clumps|"back"/);
    }
  });

  it('evidence has each list of logarithms once: slices that saw nothing cost next to nothing', () => {
    const quiet = storedEvidence(compactEvidence(polledFor(20, 0)));
    expect(quiet.streams['errors/errors']?.logs.length).toBeLessThan(10);
    expect(bytes(quiet)).toBeLessThan(100 * SLICES);
    // Where every slice has a story of its own there is nothing to share.
    expect(bytes(storedEvidence(compactEvidence(polledFor(40, 0.2))))).toBeLessThan(500 * SLICES);
  });

  it('evidence keeps seven digits of a logarithm however far it fell, and loses nothing to speak of', () => {
    const [stream = expect.fail('no stream')] = streamsOf(polledFor(1, 0), many.metrics[0] ?? ERRORS);
    const logs = [-0.123456789, 9.87654321, -12.3456789, -1234.56789, -123_456.789, 1_234_567.89, 0, LOG_NOTHING];
    const evidence = { ...polledFor(1, 0), streams: { 'errors/errors': [{ ...stream, share: logs }] } };
    const [compact] = compactEvidence(evidence).streams['errors/errors'] ?? [];
    expect(compact?.share).toEqual([-0.12346, 9.87654, -12.34568, -1234.568, -123_456.8, 1_234_567, 0, LOG_NOTHING]);
  });

  it('evidence is lost, and not something else, where its line names lists that are not there', () => {
    const { streams, ...rest } = storedEvidence(polledFor(5, 0.01));
    const cut = { ...rest, streams: { 'errors/errors': { logs: [], streams: streams['errors/errors']?.streams ?? [] } } };
    expect(misfit(many, storedEvidenceSchema.parse(cut))).toMatch(/other processes/);
  });
});
