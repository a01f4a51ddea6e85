/** The builds that a manifest must keep, by the ledger's word and by what serves. What cannot be seen is not taken for unneeded. */
import type { Code } from '../../base/codes.ts';
import { resolved } from '../../core/admission/named.ts';
import { KvdeployError } from '../../core/errors.ts';
import { currentKnownGood, rollbackTargets } from '../../core/ledger/history.ts';
import { isOver } from '../../core/rollout/rollout.ts';
import { type Guid, scopeText } from '../../core/scope.ts';
import type { Deps } from '../deps.ts';
import { knownBuilds, readOffers } from '../offers.ts';
import { type Opened, openScope, targetOf } from '../open.ts';
import { assertOwnTarget } from '../other-state.ts';
import { servingIn } from '../traffic.ts';

/** Why each needed build is needed. Throws LEDGER_UNREAD without a readable ledger, UNREACHABLE where it cannot be seen what serves. */
export async function neededBuilds(deps: Deps): Promise<ReadonlyMap<Guid, string>> {
  const opened = await openedWithLedger(deps);
  const { history, scope } = opened;
  const needed = new Map<Guid, string>();
  for (const { build } of rollbackTargets(history)) needed.set(build.guid, `can be rolled back to in ${scopeText(scope)}`);
  const { rollout } = history;
  const open = rollout !== null && (!isOver(rollout) || rollout.phase === 'stuck') ? rollout.plan : null;
  const inRollout = [open?.candidate ?? [], open?.stable ?? []].flat();
  for (const { guid } of inRollout) needed.set(guid, `is in an unfinished rollout of ${scopeText(scope)}`);
  const known = currentKnownGood(history);
  const places = new Set([...inRollout, ...(known === null ? [] : [known.build])].map(({ ref }) => ref));
  for (const guid of await servingBuilds(opened, places, deps)) needed.set(guid, `serves ${scopeText(scope)} now`);
  if (known !== null) needed.set(known.build.guid, `is known-good in ${scopeText(scope)}`);
  return needed;
}

async function openedWithLedger(deps: Deps): Promise<Opened> {
  const opened = await openScope(deps, { config: 'needed', anyState: true }).catch((error: unknown) => {
    if (error instanceof KvdeployError && !ABOUT_THE_LEDGER.has(error.code)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw unread(`cannot be read: ${why.replace(/^cannot read the ledger of \S+: /, '')}`, deps, error);
  });
  if (opened.entries.length === 0) throw unread(`is not in ${opened.stateDir}`, deps);
  assertOwnTarget(opened, deps);
  return opened;
}

const ABOUT_THE_LEDGER: ReadonlySet<Code> = new Set([
  ...(['LEDGER_DAMAGED', 'LEDGER_NEWER', 'LEDGER_CUT', 'STATE_UNSAFE'] as const),
  // Of the disk alone: the target is not asked before the ledger is read.
  ...(['UNREACHABLE', 'IN_DOUBT', 'SYSTEM_ERROR'] as const),
]);

function unread(how: string, { situation }: Deps, cause?: unknown): KvdeployError {
  const scope = situation.scope === null ? 'this scope' : scopeText(situation.scope);
  return new KvdeployError('LEDGER_UNREAD', {
    message: `The ledger of ${scope} ${how}. Only it says which builds are still needed, so none is taken out.`,
    hint: 'Run this on the host with the state, or give --state-dir DIR.',
    cause,
  });
}

/** What answers where traffic is. `places`: of builds that are needed anyway. Without a router the ledger's word has to do. */
async function servingBuilds(opened: Opened, places: ReadonlySet<string>, deps: Deps): Promise<readonly Guid[]> {
  if (opened.settings?.router == null) return [];
  const unseen = (why: string, cause?: unknown) =>
    new KvdeployError('UNREACHABLE', {
      message: `Which build serves cannot be seen: ${why.replace(/\.$/, '')}. It could be the one to take out, so none is.`,
      hint: `kvdeploy doctor ${opened.flags}`,
      cause,
    });
  const target = targetOf(opened, deps);
  const reading = await target.read().catch((error: unknown) => {
    throw unseen(error instanceof Error ? error.message : String(error), error);
  });
  if (reading.unseen !== undefined) throw unseen('a location cannot be read');
  const asked = await Promise.all(
    servingIn(reading).map(async ({ place }) => ({ place, answers: await target.ask(place, reading) })),
  );
  const known = knownBuilds(opened, await readOffers(opened, deps));
  return asked.flatMap(({ place, answers }) => {
    const up = answers.filter(({ answer }) => !('down' in answer || 'unasked' in answer));
    // What is down now may be up again in a moment. Where no build is ever asked, the ledger's word does, but only of its own places.
    const isNeverAsked = (target.identityOf(place) ?? 'none') === 'none';
    if (up.length === 0 && !(isNeverAsked && places.has(place))) throw unseen(`no one could be asked at ${place}`);
    return up.flatMap(({ at, answer }) => {
      const which = resolved(answer, known);
      if (which.is === 'one') return which.guid;
      throw unseen(`${at}: ${'unreachable' in answer ? answer.unreachable : which.why}`);
    });
  });
}
