/** Who is named for a rollback: with all of the traffic the slice in which nearly all of it failed. */
import { describe, expect, it } from 'vitest';
import { feed, openEvidence } from '../../../../src/core/gates/evidence/evidence.ts';
import { type GateSettings, WHOLE } from '../../../../src/core/gates/gate-settings.ts';
import { judgeEvidence } from '../../../../src/core/gates/verdict/evidence-verdict.ts';
import { blockOf, counted, settingsOf } from './judged.ts';

const REGIONS = ['eu', 'us', 'asia', 'africa'];
const SHARE = 0.5;

/** Polls in which these regions fail all of a hundred requests each. */
function rollbackWith(bad: readonly string[], weightOfSlices = 1) {
  const base = settingsOf({}, { slices: REGIONS.map((name) => ({ name, weight: (weightOfSlices * 0.1) / REGIONS.length })) });
  const settings: GateSettings = { ...base, metrics: base.metrics.map((metric) => ({ ...metric, weight: 0.9 })) };
  let evidence = openEvidence(settings, { atMs: 0, share: SHARE });
  for (let poll = 1; evidence.crossed === null && poll < 50; poll += 1) {
    const slices = REGIONS.map((name) => [name, blockOf([bad.includes(name) ? 100 : 0, 100, 0, 100])] as const);
    const whole = blockOf([100 * bad.length, 400, 0, 400]);
    const gates = { errors: counted({ ...Object.fromEntries(slices), [WHOLE]: whole }) };
    evidence = feed(settings, evidence, { atMs: poll * 15_000, gates });
  }
  const verdict = judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: 1 });
  if (verdict.verdict !== 'fail') throw new Error(verdict.verdict);
  return verdict;
}

describe('the blamed', () => {
  it('all of the traffic is blamed where one slice alone is not confirmed, and the slice is told with it', () => {
    const { confirmed, nearlyAllIn, why } = rollbackWith(['asia'], 1e-9);
    expect(confirmed.map(({ slice }) => slice)).toEqual([null]);
    expect(nearlyAllIn?.slice).toBe('asia');
    expect(why).toMatch(/^errors: \d+ of \d+ \(25 %\) vs 0 of \d+ \(0 %\); errors in asia: (\d+) of \1 \(100 %\) vs/);
  });

  it.each([[['asia', 'us']], [REGIONS]])('no single slice is blamed where %j fail alike', (bad) => {
    const { confirmed, nearlyAllIn, why } = rollbackWith(bad, 1e-9);
    expect(confirmed[0]?.slice).toBeNull();
    expect(nearlyAllIn).toBeNull();
    expect(why).toMatch(/^errors: /);
    expect(why).not.toMatch(/errors in /);
  });
});
