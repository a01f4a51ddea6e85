/** What no non-inferiority bound speaks of keeps a build from the next step all the same, once it is evidently worse than is tolerated. */
import { describe, expect, it } from 'vitest';
import type { Block } from '../../../../src/core/gates/evidence/e-process.ts';
import { feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { exceedsTolerated } from '../../../../src/core/gates/evidence/newest.ts';
import {
  type GateSettings,
  LATENCY_MARGIN,
  METRIC_DEFAULTS,
  SETTINGS_DEFAULTS,
  WHOLE,
} from '../../../../src/core/gates/gate-settings.ts';
import { type EvidenceVerdict, judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { blockOf, type Counts, ERRORS } from './judged.ts';

const SLOWER = 'slower than 0.05s';
const REQUESTS = 4000;
const settings: GateSettings = {
  ...SETTINGS_DEFAULTS,
  dwellMs: 0,
  lagMs: 0,
  metrics: [
    { ...ERRORS, weight: 0.5 },
    {
      ...METRIC_DEFAULTS,
      gate: 'errors',
      metric: SLOWER,
      tolerated: LATENCY_MARGIN,
      limit: null,
      certified: false,
      holdsInIncident: false,
      weight: 0.025,
      slices: [],
    },
  ],
};

/** After eight blocks at half of the traffic without an error, of which so many requests of each build were slow. */
function verdictOf(slow: number, slowOfStable: number, blocks = 8): EvidenceVerdict {
  const blockWith = (counts: Counts): Record<string, Block> => ({ [WHOLE]: blockOf(counts) });
  const counted = { state: 'counted' } as const;
  let evidence = openEvidence(settings, { atMs: 0, share: 0.5 });
  for (let block = 1; block <= blocks; block += 1) {
    const blocksOf = {
      errors: blockWith([0, REQUESTS, 0, REQUESTS]),
      [SLOWER]: blockWith([slow, REQUESTS, slowOfStable, REQUESTS]),
    };
    evidence = feed(settings, evidence, {
      atMs: block * 15_000,
      gates: { errors: { candidate: counted, stable: counted, blocks: blocksOf } },
    });
  }
  return judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: 1 });
}

describe('a build that is slow, and answers without errors', () => {
  it.each([
    [4000, 0],
    [200, 20],
    [80, 40],
    [2400, 2000],
  ])('a build that is slow at %i of 4000 requests against %i stays at its step, and the reason says so', (slow, slowOfStable) => {
    const verdict = verdictOf(slow, slowOfStable);
    expect(verdict.verdict).toBe('hold');
    expect(verdict.why).toMatch(/halfway|slower than 0\.05s: \d+ of 32000.* vs \d+ of 32000 .*, more than tolerated/);
  });

  it.each([
    [0, 0],
    [20, 20],
    [48, 40],
    [2180, 2000],
  ])('a build as slow as is tolerated goes on: %i against %i', (slow, slowOfStable) => {
    expect(verdictOf(slow, slowOfStable).verdict).toBe('pass');
  });

  it('a slow build holds for that reason, which uses up patience', () => {
    const verdict = verdictOf(2400, 2000);
    expect(verdict).toMatchObject({ verdict: 'hold', reasons: [{ what: 'worse' }] });
  });

  it('a build is not called slower for a small slice in which chance had all of the few slow requests', () => {
    const metric = settings.metrics[1] ?? ERRORS;
    const few = { open: [0, 0, 0, 0], recent: [0, 0], last: [0, 0] } as const;
    expect(exceedsTolerated(metric, { ...few, step: [10, 3, 10, 0] })).toBe(false);
    expect(exceedsTolerated(metric, { ...few, step: [1000, 300, 1000, 0] })).toBe(true);
  });

  it('a slow build is rolled back once the evidence is enough', () => {
    expect(verdictOf(4000, 0, 40)).toMatchObject({ verdict: 'fail', heaviest: { metric: SLOWER } });
  });
});
