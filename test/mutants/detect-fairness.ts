/** Detectors for what a good build must not be blamed for, a share of the traffic that cookies changed, and for what no trace shows. */
import { DEFAULT_GATE, replayTrace, traceSettings } from '../../src/backtest/backtest.ts';
import { decide } from '../../src/backtest/backtest-text.ts';
import { comparisonOf } from '../../src/core/gates/comparison.ts';
import { beginStep, feed, openEvidence } from '../../src/core/gates/evidence/evidence.ts';
import { judgeEvidence } from '../../src/core/gates/verdict/evidence-verdict.ts';
import { lookAtComparison } from '../../src/engine/look-at-gates.ts';
import type { Io } from '../../src/io.ts';
import { gateTrace, STATUSES, STEPS } from '../backtest/replayed.ts';
import { blockOf } from '../core/gates/verdict/judged.ts';
import { CANDIDATE, SCOPE, STABLE } from '../core/manifest/builds.ts';
import { readingOf } from '../routers/readings.ts';
import { traceOf } from '../traces.ts';

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

/** Clients are bound by a cookie, and the traffic is not judged; a trace of the first step alone passes no other. */
export async function unseenShare(): Promise<readonly string[]> {
  const serving = { place: STABLE.ref, percent: 100, served: 9, byClass: { 200: 9 } };
  const reading = readingOf([serving], { sticky: 'cookie SRV' });
  const gates = [{ name: 'errors', source: 'local', settings: {}, compare: {} }];
  const builds = { scope: SCOPE, candidate: CANDIDATE, stable: STABLE };
  const { comparison } = await lookAtComparison(gates, {}, builds, reading, async () => reading, { now: () => 1 } as Io);
  const kinds = comparison?.settings.metrics.map(({ kind }) => kind) ?? ['traffic'];
  const trace = gateTrace(traceOf({}));
  const settings = traceSettings([DEFAULT_GATE], {}, [trace], 0);
  const found = decide(replayTrace([trace], { settings, fixed: [], steps: STEPS, pollMs: 15_000 }, STATUSES));
  return [
    ...(kinds.includes('traffic') ? ['judges the traffic of clients that are bound'] : []),
    ...(found?.decision.step === 1 ? [] : [`passes step ${found?.decision.step} by the traffic of the first`]),
  ];
}
