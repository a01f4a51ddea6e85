/** The one to blame for a rollback: a slice only where the rest of the traffic does not show the same. Must acquit nobody. No I/O. */
import { isAlone, type Standing, standings, standingText } from './culprits.ts';
import type { Evidence } from './evidence.ts';
import type { GateSettings } from './gate-settings.ts';
import type { Verdict } from './verdict.ts';

/** `slice` null: all of the traffic, or a slice whose part of the evidence is not enough to name it. `standing` is what failed, with its counts. */
export interface Culprit {
  readonly standing: Standing;
  readonly slice: string | null;
  readonly why: string;
}

/** The part of the evidence that one slice must hold to be named without being confirmed: the chance to wrong it grows by a ninth. */
const NEARLY_ALL = 0.9;

/** Null where it is not evidence that decided. */
export function culpritOf(settings: GateSettings, evidence: Evidence, compared: Verdict): Culprit | null {
  if (compared.verdict !== 'rollback' || compared.grounds !== 'evidence') return null;
  const first = compared.confirmed[0] ?? compared.heaviest;
  const whole = standings(settings, evidence).find(
    ({ gate, metric, slice }) => gate === first.gate && metric === first.metric && slice === null,
  );
  const enough = Math.log(first.weight) + first.logE >= compared.neededLogE + Math.log(NEARLY_ALL);
  const named = first.slice !== null && enough && (whole === undefined || isAlone(first, whole));
  const standing = named ? first : (whole ?? first);
  const odds = compared.falseAlarm === null ? '' : `; by chance at most once in ${Math.round(1 / compared.falseAlarm)} rollouts`;
  return { standing, slice: named ? first.slice : null, why: `${standingText(named || !enough ? first : standing)}${odds}` };
}
