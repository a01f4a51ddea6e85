/** Splits: percent of traffic per place and per build. They always sum to 100. No I/O. */
import type { Guid } from '../scope.ts';
import { percentText } from '../text.ts';

/** What one member of a router's target should get. `build` is null for a place whose build is not known. */
export interface Share {
  readonly place: string;
  readonly build: Guid | null;
  readonly percent: number;
}

/** Every member of the target, those at 0 % too. */
export type Split = readonly Share[];

/** Percentages are compared with this tolerance: routers keep integer weights. */
export const SPLIT_TOLERANCE_PERCENT = 0.5;

/**
 * The split that gives `percent` to the candidate's place, the rest to the stable place and 0 to every other member. Throws
 * on what could not sum to 100: no percentage, one place for both builds, a rest without a stable build.
 */
export function splitBetween(
  members: ReadonlyMap<string, Guid | null>,
  candidate: { readonly place: string; readonly guid: Guid },
  stable: { readonly place: string; readonly guid: Guid } | null,
  percent: number,
): Split {
  const rest = 100 - percent;
  if (!(percent >= 0 && rest >= 0) || stable?.place === candidate.place || (stable === null && rest > 0))
    throw new Error(`no split gives ${percent} % to ${candidate.place} and the rest to ${stable?.place ?? 'no build'}`);
  const places = new Map(members);
  if (stable !== null) places.set(stable.place, stable.guid);
  places.set(candidate.place, candidate.guid);
  const percentAt = (place: string) => (place === candidate.place ? percent : place === stable?.place ? rest : 0);
  return [...places].map(([place, build]) => ({ place, build, percent: percentAt(place) }));
}

/** True when both give every place the same percent, within the tolerance. A place that one does not know counts as 0 %. */
export function splitsAgree(
  a: readonly { place: string; percent: number }[],
  b: readonly { place: string; percent: number }[],
  tolerance = SPLIT_TOLERANCE_PERCENT,
): boolean {
  const of = (split: typeof a) => new Map(split.map((share) => [share.place, share.percent]));
  const [left, right] = [of(a), of(b)];
  return [...new Set([...left.keys(), ...right.keys()])].every((place) => {
    const one = left.get(place) ?? 0;
    const other = right.get(place) ?? 0;
    // Nothing and something are never the same, however little the something is.
    if ((one === 0) !== (other === 0)) return false;
    return Math.abs(one - other) <= tolerance;
  });
}

/** `green 25 %, blue 75 %`, leaving out the places at 0 %. */
export function splitText(split: readonly { place: string; percent: number }[]): string {
  const some = split.filter((share) => share.percent > 0);
  return some.length === 0 ? 'nothing' : some.map((share) => `${share.place} ${percentText(share.percent)}`).join(', ');
}

/** Fewer requests than this show nothing about a split. */
const ENOUGH_REQUESTS = 100;

/**
 * True when what was counted, by place, shows this split: at least 100 requests, none at a place with 0 %, every other share
 * within four standard deviations and half a point. A counter that went back shows nothing.
 */
export function servedFits(split: readonly { place: string; percent: number }[], counted: ReadonlyMap<string, number>): boolean {
  const counts = [...counted.values()];
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total < ENOUGH_REQUESTS || counts.some((count) => !(count >= 0))) return false;
  const percents = new Map(split.map(({ place, percent }) => [place, percent]));
  return [...new Set([...percents.keys(), ...counted.keys()])].every((place) => {
    const percent = percents.get(place) ?? 0;
    const count = counted.get(place) ?? 0;
    if (percent === 0) return count === 0;
    const share = percent / 100;
    const sigmaPercent = 100 * Math.sqrt((share * (1 - share)) / total);
    return Math.abs((100 * count) / total - percent) <= 4 * sigmaPercent + 0.5;
  });
}
