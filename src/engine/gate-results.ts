/** What the one verdict of the comparing gates means for each of them, in words. Decides nothing. */

import type { Certificate } from '../core/certificate.ts';
import type { Comparison } from '../core/comparison.ts';
import { heaviestOf, type Standing } from '../core/culprits.ts';
import type { GateResult } from '../core/events.ts';
import type { Evidence } from '../core/evidence.ts';
import { countText } from '../core/gate.ts';
import { progress, type Verdict } from '../core/verdict.ts';
import { inShort, type Reason } from '../core/verdict-holds.ts';

/** Evidence and what follows from it alone: with many slices that is worked out once a poll, not at every look. */
export interface Weighed {
  readonly evidence: Evidence;
  readonly certified: readonly Certificate[];
  readonly standings: readonly Standing[];
}

/** One result for each gate, in the words of the one verdict that they have together. `nowMs` on the clock of the polls. */
export function resultsOf({ gates, settings }: Comparison, weighed: Weighed, verdict: Verdict, nowMs: number): GateResult[] {
  const { back, on } = progress(settings, weighed.evidence, nowMs, weighed.certified);
  return gates.map(({ name }) => {
    const own = weighed.standings.filter(({ gate }) => gate === name);
    const whole = own.find(({ slice }) => slice === null);
    const { requests, failures } = whole?.step.candidate ?? { requests: 0, failures: 0 };
    const heaviest = heaviestOf(own);
    const { logE, neededLogE } = verdict;
    const bars = { back, on, logE, neededLogE, slice: heaviest?.slice ?? null };
    return { gate: name, ...said(name, verdict, countText(failures, requests)), requests, errors: failures, evidence: bars };
  });
}

function said(name: string, verdict: Verdict, counts: string): Pick<GateResult, 'verdict' | 'why'> {
  switch (verdict.verdict) {
    case 'rollback': {
      if (verdict.grounds !== 'evidence') return { verdict: 'not-yet', why: verdict.why };
      const culprit = verdict.confirmed[0] ?? verdict.heaviest;
      return culprit.gate === name ? { verdict: 'fail', why: verdict.why } : { verdict: 'not-yet', why: `${counts} failed` };
    }
    case 'advance':
      return { verdict: 'pass', why: verdict.why };
    case 'hold': {
      const reasons = verdict.reasons.filter(({ gate }) => gate === null || gate === name);
      if (reasons.length === 0) return { verdict: 'pass', why: `${counts} failed` };
      return { verdict: 'not-yet', why: waitingText(reasons, counts) };
    }
  }
}

/** A certificate has the counts in it. */
function waitingText(reasons: readonly Reason[], counts: string): string {
  const texts = inShort(reasons).map(({ why }) => why);
  return (reasons.some(({ what }) => what === 'certificate') ? texts : [...texts, `${counts} failed`]).join('; ');
}
