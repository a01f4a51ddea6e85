/** The one to blame for a rollback in a trace: a slice only where the rest of the traffic does not show the same. Must acquit no build. No I/O. */
import type { Evidence } from '../core/gates/evidence/evidence.ts';
import type { GateSettings } from '../core/gates/gate-settings.ts';
import { isAlone, oddsText, type Standing, standings, standingText } from '../core/gates/verdict/blamed.ts';
import type { EvidenceVerdict } from '../core/gates/verdict/evidence-verdict.ts';

/** `slice` null: all of the traffic, or a slice whose part of the evidence is not enough to name it. `standing` is what failed, with its counts. */
export interface Blamed {
  readonly standing: Standing;
  readonly slice: string | null;
  readonly why: string;
}

/** The part of the evidence that one slice must hold to be named without being confirmed: the chance to wrong it grows by a ninth. */
const NEARLY_ALL = 0.9;

/** Null where it is not evidence that decided. */
export function blamedOf(settings: GateSettings, evidence: Evidence, compared: EvidenceVerdict): Blamed | null {
  if (compared.verdict !== 'fail') return null;
  const first = compared.confirmed[0] ?? compared.heaviest;
  const whole = standings(settings, evidence).find(
    ({ gate, metric, slice }) => gate === first.gate && metric === first.metric && slice === null,
  );
  const enough = Math.log(first.weight) + first.logE >= compared.neededLogE + Math.log(NEARLY_ALL);
  const named = first.slice !== null && enough && (whole === undefined || isAlone(first, whole));
  const standing = named ? first : (whole ?? first);
  const why = `${standingText(named || !enough ? first : standing)}; ${oddsText(compared.falseAlarm)}`;
  return { standing, slice: named ? first.slice : null, why };
}
