/** The detector for what a good build must not be blamed for: a share of the traffic that is not the plan's, by cookies or routes. */
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import { beginStep, feed, openEvidence } from '../../src/core/gates/evidence/evidence.ts';
import { judgeEvidence } from '../../src/core/gates/verdict/evidence-verdict.ts';
import { blockOf } from '../core/gates/verdict/judged.ts';

/** Nothing fails, and the candidate has no request; then one that fails the few requests that it gets. */
export async function loneShare(): Promise<readonly string[]> {
  const verdicts = [0, 200].map((failing) => {
    const countable = { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs: 0 };
    const gates = [{ name: 'errors', source: 'haproxy', settings: {}, compare: {} }];
    const { settings } = comparisonOf(gates, {}, new Map([['errors', countable]]));
    let evidence = beginStep(settings, openEvidence(settings, { atMs: 0, share: 0.2 }), { atMs: 0, share: 0.2 });
    for (let atMs = 15_000; atMs <= 120_000 && evidence.crossed === null; atMs += 15_000) {
      const errors = { '': blockOf([failing, failing, 1, 3000]) };
      const blocks = { errors, traffic: { '': blockOf([0, failing, 0, 3000]) } };
      const counted = { state: 'counted' } as const;
      evidence = feed(settings, evidence, { atMs, gates: { errors: { candidate: counted, stable: counted, blocks } } });
    }
    return judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: null }).verdict;
  });
  return verdicts.join() === 'give-up,fail' ? [] : [`says ${verdicts.join()} of a share of nothing, and of one that fails`];
}
