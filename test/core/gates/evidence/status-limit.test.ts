/** How often one status may be answered at most: an outage made of 401 alone ends within seconds, and nobody else is taken back for it. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../../src/backtest/calibration.ts';
import type { SliceBlocks } from '../../../../src/core/gates/counting/blocks.ts';
import type { Block } from '../../../../src/core/gates/evidence/e-process.ts';
import { beginStep, type Evidence, feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { harmBounds } from '../../../../src/core/gates/evidence/non-inferiority.ts';
import { type GateSettings, type JudgedMetric, SETTINGS_DEFAULTS, WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { binomial, blockOf, ERRORS } from '../verdict/judged.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const STATUS: JudgedMetric = { ...ERRORS, metric: '401', weight: 0.5, limit: 0.1, limitsAlone: false, holdsInIncident: false };
const settingsWith = (changes: Partial<JudgedMetric> = {}): GateSettings => ({
  ...SETTINGS_DEFAULTS,
  metrics: [
    { ...ERRORS, weight: 0.5 },
    { ...STATUS, ...changes },
  ],
});

/** Polls of one second, in which no answer is an error of the server. */
function secondsUntilCrossed(settings: GateSettings, share: number, seconds: number, of401: () => SliceBlocks): number {
  let evidence: Evidence = openEvidence(settings, { atMs: -90_000, share: 0 });
  for (let second = -89; second <= 0; second += 1) {
    const fine = { [WHOLE]: blockOf([0, 0, 0, 950]) };
    const poll = { candidate: { state: 'absent' }, stable: { state: 'counted' }, blocks: { errors: fine, '401': fine } } as const;
    evidence = feed(settings, evidence, { atMs: second * 1000, gates: { errors: poll } });
  }
  evidence = beginStep(settings, evidence, { atMs: 0, share });
  for (let second = 1; second <= seconds; second += 1) {
    const refused = of401();
    const asked = (block: Block): Block => ({
      candidate: { ...block.candidate, failures: 0 },
      stable: { ...block.stable, failures: 0 },
    });
    const errors = { [WHOLE]: asked(refused[WHOLE] ?? blockOf([0, 0, 0, 0])) };
    const arm = { state: 'counted' } as const;
    const poll = { candidate: arm, stable: arm, blocks: { errors, '401': refused } };
    evidence = feed(settings, evidence, { atMs: second * 1000, gates: { errors: poll } });
    if (evidence.crossed !== null) return second;
  }
  return Number.POSITIVE_INFINITY;
}

describe('a candidate at 5 % of the traffic that answers everyone 401', () => {
  const outage = () => ({ [WHOLE]: blockOf([50, 50, 0, 950]) });

  it('a candidate at 5 % of the traffic that answers everyone 401 is rolled back within seconds', () => {
    expect(secondsUntilCrossed(settingsWith(), 0.05, 120, outage)).toBeLessThanOrEqual(8);
  });

  it('a candidate that answers everyone 401 is rolled back as soon where there is no limit', () => {
    expect(secondsUntilCrossed(settingsWith({ limit: null }), 0.05, 120, outage)).toBeLessThanOrEqual(8);
  });
});

describe('no build is rolled back for a status', () => {
  it('no build is rolled back for a status that the stable build answers as often', () => {
    expect(secondsUntilCrossed(settingsWith(), 0.05, 300, () => ({ [WHOLE]: blockOf([25, 50, 475, 950]) }))).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  it('no build is rolled back for a status where it serves alone, and no bound speaks of it there', () => {
    const settings = settingsWith();
    expect(secondsUntilCrossed(settings, 1, 300, () => ({ [WHOLE]: blockOf([500, 1000, 0, 0]) }))).toBe(Number.POSITIVE_INFINITY);
    const names = harmBounds(settings, openEvidence(settings, { atMs: 0, share: 1 })).map(({ metric }) => metric.metric);
    expect(names).toEqual(['errors']);
  });

  it('no build is rolled back for a status that one small slice answers often at both builds', () => {
    // Three of five requests of this tenant are refused, as ever; it has four requests a second, and the limit is a tenth.
    const settings = settingsWith({ weight: 0.25, slices: [{ name: 'tenant', weight: 0.25 }] });
    let found = 0;
    for (let run = 0; run < 200; run += 1) {
      const random = seeded(SEED * 1000 + run);
      const often = () => ({
        [WHOLE]: blockOf([0, 500, 0, 500]),
        tenant: blockOf([binomial(random, 2, 0.6), 2, binomial(random, 2, 0.6), 2]),
      });
      if (Number.isFinite(secondsUntilCrossed(settings, 0.5, 60, often))) found += 1;
    }
    // Alpha is one in a hundred; four standard deviations above the mean of two.
    expect(found, `seed ${SEED}`).toBeLessThanOrEqual(2 + 4 * Math.sqrt(2));
  });
});

it('a status within what is tolerated stays below its limit wherever that is judged', () => {
  // The stable build below half of the limit, the candidate at the margin: then the limit is no second chance of a false alarm.
  const most = (STATUS.limit ?? 0) / 2;
  expect(STATUS.tolerated.times * most + STATUS.tolerated.plus).toBeLessThan(STATUS.limit ?? 0);
});
