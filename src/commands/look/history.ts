/** `history`: the ledger of a scope, for people and as JSON. Changes nothing. */
import { claimsText } from '../../base/owners/actor.ts';
import { safeLine } from '../../base/text.ts';
import type { Event } from '../../core/ledger/events.ts';
import type { Entry } from '../../core/ledger/ledger.ts';
import { kindOf } from '../../core/rollout/plan.ts';
import { splitText } from '../../core/rollout/split.ts';
import { scopeText, shortGuid } from '../../core/scope.ts';
import { msText } from '../../core/text.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { openScope } from '../../release/open.ts';

const LIMIT = 50;

export async function history(options: { readonly limit?: number }, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional', anyState: true });
  const entries = opened.entries.slice(-(options.limit ?? LIMIT));
  deps.line({ type: 'document', name: 'history', data: { scope: opened.scope, entries } });
  if (entries.length > 0) deps.print(entries.map((entry) => `${lineOf(entry)}\n`).join(''));
  const { length } = opened.entries;
  const shown = entries.length < length ? `, the last ${entries.length} shown` : '';
  return done(`${length} ${length === 1 ? 'entry' : 'entries'} in the ledger of ${scopeText(opened.scope)}${shown}.`);
}

function lineOf(entry: Entry): string {
  // One line each, whatever a reason or an actor of before contains.
  return safeLine(`${String(entry.seq).padStart(5)}  ${entry.at}  ${entry.actor}  ${wordsOf(entry.event)}`);
}

/** One event as a sentence. */
export function wordsOf(event: Event): string {
  switch (event.type) {
    case 'claimed':
      return `${event.claim.command} claimed the scope (pid ${event.claim.by.pid} on ${event.claim.by.host}${claimsText(event.claim.claims)})${event.claim.from === null ? '' : ` from ${event.claim.from.actor}${event.claim.from.ended ? '' : ', whose process could not be ended'}`}`;
    case 'released':
      return 'released the claim';
    case 'planned': {
      const { plan } = event;
      const steps = plan.steps.map((step) => `${step.percent} % for ${msText(step.bakeMs)}`).join(', ');
      return `planned ${plan.id}: ${kindOf(plan)} ${shortGuid(plan.candidate.guid)} (${plan.candidate.version})${plan.stable === null ? '' : ` from ${shortGuid(plan.stable.guid)}`}: ${steps}`;
    }
    case 'prepared':
      return event.generation === null
        ? 'every check passed'
        : `every check passed; the rollback path is durable as pointer generation ${event.generation}`;
    case 'refused':
      return `refused (${event.code}): ${event.message}`;
    case 'shifted':
      return `shifted: ${splitText(event.split)} (${event.certainty})`;
    case 'shift-failed':
      return `a shift failed: ${event.why}`;
    case 'converged':
      return 'the router reports the split, and the build answers';
    case 'not-converged':
      return `no convergence: ${event.why}`;
    case 'polled':
      return `gates: ${event.verdict}: ${event.gates.map((gate) => `${gate.gate} ${gate.verdict}: ${gate.why}`).join('; ')}`;
    case 'unfit':
      return `no longer admitted (${event.code}): ${event.why}`;
    case 'unseen':
      return `not seen again, so nothing is raised: ${event.why}`;
    case 'regrouped':
      return `the split is set again: ${event.why}`;
    case 'drifted':
      return `drift: ${event.why}`;
    case 'pointed':
      return `known-good pointer written, generation ${event.generation}${event.warnings.length === 0 ? '' : `; ${event.warnings.join('; ')}`}`;
    case 'point-failed':
      return `the known-good pointer was not written: ${event.why}`;
    case 'abort-requested':
      return `abort requested by ${event.actor}: ${event.reason}`;
    case 'left':
      return `left (${event.why}): no one watched from here on`;
    case 'imported':
      return `imported ${shortGuid(event.build.guid)} (${event.build.version}) as known-good from ${event.file}`;
    case 'marked':
      return `marked ${shortGuid(event.guid)} ${event.bad ? 'bad' : 'as not bad'}: ${event.why}`;
    case 'pardoned':
      return `pardoned ${shortGuid(event.guid)}, which is not marked bad any more: ${event.reason}`;
    case 'reconciled':
      return `reconciled after break-glass: ${event.reason}${event.bad.length === 0 ? '' : `; bad: ${event.bad.map(shortGuid).join(', ')}`}`;
  }
}
