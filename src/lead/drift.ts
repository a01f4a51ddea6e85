/** What the places of a target really answer, and where that is not what the ledger says. Asks only; must not call silence fine. */
import { heard, type MemberAnswer } from '../core/admission/answers.ts';
import { knownRows, namedIn } from '../core/admission/facts.ts';
import { expectedSplit, isUnsettled } from '../core/ledger/expected.ts';
import { currentKnownGood, type History, openRollout } from '../core/ledger/history.ts';
import { type Split, splitsAgree, splitText } from '../core/rollout/split.ts';
import { shortGuid } from '../core/scope.ts';
import type { Target } from '../engine/target.ts';
import type { Opened } from '../release/open.ts';
import type { Reading } from '../routers/router.ts';

/** A place that serves, or should. */
interface PlaceSeen {
  readonly place: string;
  readonly percent: number;
  readonly answers: readonly MemberAnswer[];
}

export interface Seen {
  readonly places: readonly PlaceSeen[];
  /** How the split differs from what the ledger expects, within a place too; null where it does not, or nothing is expected. */
  readonly split: string | null;
  /** A place that should serve is not behind the router any more: no shift can lead there. */
  readonly placeGone: boolean;
  /** What else is not as it should be: another build at a place, silence, trouble of the router. */
  readonly wrong: readonly string[];
}

type Around = Pick<Opened, 'history' | 'scope' | 'settings'>;

/** Asks every place that serves, or should, which build it is. */
export async function lookAround(opened: Around, target: Target, reading: Reading): Promise<Seen> {
  const expected = expectedSplit(opened.history);
  const named = (expected ?? []).filter(({ percent }) => percent > 0).map(({ place }) => place);
  const serving = reading.places.filter(({ percent }) => percent > 0).map(({ place }) => place);
  const places = await Promise.all(
    [...new Set([...named, ...serving])].map(async (place) => ({
      place,
      percent: reading.places.find((member) => member.place === place)?.percent ?? 0,
      answers: await target.ask(place, reading),
    })),
  );
  const differs = expected !== null && !splitsAgree(reading.places, expected);
  const uneven = expected === null ? [] : (reading.uneven ?? []);
  const moved = differs ? [`the ledger expects ${splitText(expected)}, the router reports ${splitText(reading.places)}`] : [];
  const split = differs || uneven.length > 0 ? [...moved, ...uneven].join('; ') : null;
  const trouble = reading.trouble.filter((text) => !uneven.includes(text));
  const placeGone = named.some((name) => !reading.places.some(({ place }) => place === name));
  return { places, split, placeGone, wrong: [...wrongAt(places, expected ?? [], { ...opened, target }), ...trouble] };
}

function wrongAt(
  places: readonly PlaceSeen[],
  expected: Split,
  { scope, history, settings, target }: Around & { readonly target: Target },
): readonly string[] {
  const known = { listed: [], history, scope };
  return expected.flatMap(({ place, build, percent }) => {
    if (percent === 0 || build === null) return [];
    // Where the config does not say how a build says which one it is, no one can ask.
    const identity = target.identityOf(place);
    if (identity === null || identity === 'none') return [];
    const answers = places.find((seen) => seen.place === place)?.answers ?? [];
    const said = heard(answers, {
      build: namedIn(known, build),
      scope,
      where: `at ${place}`,
      isProtected: settings?.protected ?? true,
      rows: knownRows(known),
    });
    return said.is === 'right' ? [] : [`${said.why} (the ledger says ${shortGuid(build)})`];
  });
}

/** What is not as it should be while nothing is being done about it. A rollout that is led is being looked after. */
export function unattended(history: History, { split, wrong }: Pick<Seen, 'split' | 'wrong'>, isLed: boolean): readonly string[] {
  const open = openRollout(history);
  if (open !== null && isLed) return [];
  const left = open !== null && MOVING.has(open.phase) ? [leftText(open.phase)] : [];
  const stuck = isUnsettled(history) ? [`the last rollout is ${history.rollout?.phase}: ${history.rollout?.why}`] : [];
  // A service that nothing was ever adopted or promoted in has nothing to be unlike.
  if (currentKnownGood(history) === null) return [...stuck, ...left];
  return [...stuck, ...left, ...(split === null ? [] : [split]), ...wrong];
}

/** In these phases traffic is on its way, and nothing says which split serves. */
const MOVING: ReadonlySet<string> = new Set(['shifting', 'converging', 'reverting']);

function leftText(phase: string): string {
  return `the split that the rollout began to set (it is ${phase}) may be half set, and no one finishes it`;
}
