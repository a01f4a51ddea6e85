/** What `status` says of the comparing gates: how far the evidence is on each way, where it points, and what it waits for. No I/O. */
import { safeLine } from '../../../base/text.ts';
import { misfit } from '../../../core/gates/evidence/evidence-store.ts';
import { harmBounds } from '../../../core/gates/evidence/non-inferiority.ts';
import { blameOf, standingText } from '../../../core/gates/verdict/blamed.ts';
import { inShort, judgeEvidence, progress, reasonText } from '../../../core/gates/verdict/evidence-verdict.ts';
import type { State } from '../../../core/rollout/rollout.ts';
import { fractionText } from '../../../core/text.ts';
import { bar } from '../../../terminal/words.ts';

const BAR = 20;

/** What the ledger last says: the leader knows more. Null where nothing is compared, or an older version did, which counts as lost. `waitsFor`: why it does not go on, while it bakes. */
export function evidenceOf(state: State) {
  const { plan, evidence, step, phase } = state;
  if (plan.comparison === undefined || evidence === null) return null;
  const { settings } = plan.comparison;
  const kept = evidence.evidence;
  if (misfit(settings, kept) !== undefined) return null;
  const bounds = harmBounds(settings, kept);
  const { heaviest } = blameOf(settings, kept);
  const next = plan.steps[step + 1];
  const moment = { nowMs: kept.atMs, nextShare: next === undefined ? null : next.percent / 100 };
  const verdict = phase === 'baking' ? judgeEvidence(settings, kept, moment, bounds) : null;
  return {
    at: new Date(kept.atMs).toISOString(),
    ...progress(settings, kept, kept.atMs, bounds),
    slice: heaviest.slice,
    most: standingText(heaviest),
    waitsFor: verdict?.verdict === 'hold' ? inShort(verdict.reasons).map(reasonText) : [],
  };
}

/** The lines of it, each with its field's name in front; none where nothing is compared. */
export function evidenceLines(evidence: ReturnType<typeof evidenceOf>): string[] {
  if (evidence === null) return [];
  const { at, fail, pass, most, waitsFor } = evidence;
  const way = (part: number) => `${bar(part * 100, BAR, false)} ${fractionText(part)}`;
  return [
    `  evidence    fail ${way(fail)}  pass ${way(pass)}  at ${at}`,
    `              most in ${safeLine(most)}`,
    ...waitsFor.map((why, index) => `  ${index === 0 ? 'waits for   ' : '            '}${safeLine(why)}`),
  ];
}
