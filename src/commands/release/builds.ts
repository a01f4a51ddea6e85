/** `builds`: this environment's builds, and why each may or may not be promoted. Changes nothing, filters nothing silently. */

import { admit, CHECKS } from '../../core/admission/admission.ts';
import { whichBuild } from '../../core/admission/answers.ts';
import type { Facts } from '../../core/admission/facts.ts';
import { refusalError } from '../../core/errors.ts';
import { currentKnownGood, type History } from '../../core/ledger/history.ts';
import { type Build, placeOf } from '../../core/manifest/manifest.ts';
import { type Guid, sameScope, scopeText, shortGuid } from '../../core/scope.ts';
import { percentText } from '../../core/text.ts';
import { fileFacts } from '../../engine/facts.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { knownBuilds, type Offers, readOffers } from '../../release/offers.ts';
import { type Opened, openScope, targetOf } from '../../release/open.ts';
import { servingIn } from '../../release/traffic.ts';
import { table } from '../../terminal/layout.ts';

export async function builds(deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'needed', anyState: true });
  const offers = await readOffers(opened, deps);
  if (offers.listing !== undefined) throw refusalError(offers.listing);
  const stray = offers.atPlace.find((entry) => !sameScope(entry.scope, opened.scope));
  if (stray !== undefined) {
    throw refusalError({
      code: 'WRONG_SCOPE',
      message: `The manifest at the place of ${scopeText(opened.scope)} declares ${scopeText(stray.scope)}, so all of it is refused.`,
      hint: 'kvdeploy validate',
      places: [placeOf(stray)],
    });
  }
  const live = await liveIfKnown(opened, offers, deps);
  const own = offers.listed.flatMap(({ scope, build }) => (sameScope(scope, opened.scope) ? [build] : []));
  own.sort((a, b) => b.sequence - a.sequence);
  const guid = own[0]?.guid;
  const facts = guid && (await fileFacts({ ...opened, ...offers, guid }, deps.io));
  const states = own.flatMap((build) => (facts ? stateOf(build, { ...facts, guid: build.guid }, live) : []));
  deps.line({ type: 'document', name: 'builds', data: { scope: opened.scope, builds: states } });
  deps.print(tableOf(states, deps));
  return done(`${states.length} build${states.length === 1 ? '' : 's'} listed for ${scopeText(opened.scope)}.`);
}

function stateOf({ guid, version, sequence, ref }: Build, facts: Facts, live: Live | null) {
  const known = currentKnownGood(facts.history)?.build.guid === guid;
  const refusal = known ? undefined : admit(facts, CHECKS).refusal;
  return {
    ...{ guid, version, sequence, ref },
    state: known ? 'known-good' : refusal === undefined ? 'promotable' : 'refused',
    /** Percent of traffic that it currently serves; null where the router could not be asked. */
    percent: live === null ? null : (live.get(guid) ?? 0),
    code: refusal?.code ?? null,
    why: [refusal?.message ?? [], pardonText(facts.history, guid)].flat().join(' '),
  };
}

/** A pardon is never forgotten. */
function pardonText({ pardons }: History, guid: Guid): string[] {
  const pardon = pardons.get(guid);
  if (pardon === undefined) return [];
  const mark = pardon.was === null ? '' : ` (it was marked bad: ${pardon.was})`;
  return [`Pardoned by ${pardon.actor} at ${pardon.at}: ${pardon.reason}${mark}.`];
}

/** Percent of traffic by build, by the word of the builds at the places that serve. */
type Live = ReadonlyMap<string, number>;

async function liveIfKnown(opened: Opened, offers: Offers, deps: Deps): Promise<Live | null> {
  if (opened.settings?.router == null) return null;
  try {
    const target = targetOf(opened, deps);
    const reading = await target.read();
    const live = new Map<string, number>();
    for (const { place, percent } of servingIn(reading)) {
      const which = whichBuild(await target.ask(place, reading), knownBuilds(opened, offers));
      if (which.is === 'one') live.set(which.guid, (live.get(which.guid) ?? 0) + percent);
    }
    return live;
  } catch (error) {
    const message = `cannot tell which build is live: ${error instanceof Error ? error.message : String(error)}`;
    deps.line({ type: 'note', level: 'warning', message });
    return null;
  }
}

function tableOf(states: readonly ReturnType<typeof stateOf>[], { columns }: Deps): string {
  const rows = states.map((state) => {
    const live = state.percent !== null && state.percent > 0 ? `live ${percentText(state.percent)}` : '';
    return [shortGuid(state.guid), state.version, `sequence ${state.sequence}`, `at ${state.ref}`, state.state, live];
  });
  const lines = table(rows.map((row, index) => [...row, states[index]?.why ?? '']));
  if (columns === undefined || lines.every((line) => line.length <= columns)) return lines.join('\n');
  return table(rows)
    .map((line, index) => `${line}\n${' '.repeat(10)}${states[index]?.why}`.trimEnd())
    .join('\n');
}
