/** A detector for latency that cannot be seen: it must hold, and must not keep any other metric from being judged. */
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import { latencyBlocks, withLatency } from '../../src/core/gates/counting/latency-blocks.ts';
import { slowerThan } from '../../src/core/gates/counting/metric-counters.ts';
import { beginStep, feed, openEvidence } from '../../src/core/gates/evidence/evidence.ts';
import { judgeEvidence } from '../../src/core/gates/verdict/evidence-verdict.ts';
import { blockOf } from '../core/gates/verdict/judged.ts';

const COUNTED = { state: 'counted' } as const;

/** Builds without a common bucket; of the candidate's requests half fail, and then none. */
export async function unseenLatency(): Promise<readonly string[]> {
  const judged = [slowerThan(0.5)];
  const names = judged.map(({ metric }) => metric);
  const countable = { metrics: ['errors', ...names], slices: {}, countsTraffic: false, lagMs: 0 };
  const gates = [{ name: 'errors', source: 'prometheus', settings: {}, compare: {} }];
  const { settings } = comparisonOf(gates, {}, new Map([['errors', countable]]));
  const delta = { arm: COUNTED, counts: new Map(), targets: 1, restarts: 0 };
  const bounds = { candidate: ['le:0.25', 'le:+Inf'], stable: ['le:0.5', 'le:+Inf'] };
  const latency = latencyBlocks({ candidate: delta, stable: delta }, bounds, names, judged);
  const [failing, good] = [5000, 0].map((failures) => {
    let evidence = beginStep(settings, openEvidence(settings, { atMs: 0, share: 0.5 }), { atMs: 0, share: 0.5 });
    for (let atMs = 15_000; atMs <= 300_000 && evidence.crossed === null; atMs += 15_000) {
      const poll = { candidate: COUNTED, stable: COUNTED, blocks: { errors: { '': blockOf([failures, 10_000, 1, 10_000]) } } };
      evidence = feed(settings, evidence, { atMs, gates: { errors: withLatency(poll, latency) } });
    }
    return judgeEvidence(settings, evidence, { nowMs: evidence.atMs, nextShare: null }).verdict;
  });
  return [
    ...(failing === 'fail' ? [] : [`says ${failing} of a build that fails, while its latency cannot be seen`]),
    ...(good === 'hold' ? [] : [`says ${good} of a build whose latency cannot be seen`]),
  ];
}
