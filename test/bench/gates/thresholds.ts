/** The gates of Argo Rollouts and Flagger and their like: a limit, a rhythm, and so many bad checks. Re-implemented; must stay as their sources decide. */
import { type Arm, type Judge, type NewJudge, Past, type Setting, together, type Verdict } from './judge.ts';

type Query = 'candidate' | 'service';

/** What a check reads: the counts over the window, of the candidate alone or of the whole service as an unscoped query sees them. */
interface Seen {
  readonly judged: Arm;
  readonly stable: Arm;
}

interface Rules {
  readonly name: string;
  readonly sees: Query;
  readonly everyS: number;
  readonly firstS: number;
  readonly windowS: number;
  readonly isGood: (seen: Seen) => boolean;
  /** More bad checks than this end the rollout; they are never forgotten. */
  readonly badAllowed: number;
  /** Flagger counts a bad check now and looks at the count at its next tick (scheduler.go); Argo at once (analysis.go). */
  readonly decides: 'at once' | 'next check';
  /** Flagger stays at its weight after a bad check; Argo's pauses end by the clock. */
  readonly badCheckHolds: boolean;
  /** Seconds that each step takes at least; 0: every good check is a step. */
  readonly dwellS: number;
  /** Measurements of an inline analysis, after which its step is over; 0: it runs beside the steps. */
  readonly count: number;
}

class Checks implements Judge {
  readonly name: string;
  readonly #rules: Rules;
  #past = new Past(1);
  #nextS = 0;
  #sinceS = 0;
  #bad = 0;
  #done = 0;

  constructor(rules: Rules) {
    this.name = rules.name;
    this.#rules = rules;
  }

  start(setting: Setting): void {
    this.#past = new Past(setting.pollS);
    this.#nextS = this.#rules.firstS;
    [this.#sinceS, this.#bad, this.#done] = [0, 0, 0];
  }

  poll(tS: number, candidate: Arm, stable: Arm): Verdict {
    const { count, dwellS, badCheckHolds } = this.#rules;
    this.#past.add(candidate, stable);
    const isDue = tS >= this.#nextS && (count === 0 || this.#done < count);
    const result = isDue ? this.#check() : 'none';
    if (result === 'over') return 'rollback';
    if (count > 0) return isDue && this.#done === count ? 'advance' : 'hold';
    const isReady = dwellS === 0 ? result === 'good' : tS - this.#sinceS >= dwellS && !(badCheckHolds && result !== 'good');
    if (!isReady) return 'hold';
    this.#sinceS = tS;
    return 'advance';
  }

  #check(): 'good' | 'bad' | 'over' {
    const { everyS, windowS, sees, isGood, badAllowed, decides } = this.#rules;
    if (decides === 'next check' && this.#bad > badAllowed) return 'over';
    this.#nextS += everyS;
    this.#done += 1;
    const [candidate, stable] = [this.#past.candidate(windowS), this.#past.stable(windowS)];
    if (isGood({ judged: sees === 'candidate' ? candidate : together(candidate, stable), stable })) return 'good';
    this.#bad += 1;
    return decides === 'at once' && this.#bad > badAllowed ? 'over' : 'bad';
  }
}

/** Success of at least so much; without requests the quotient is NaN, which compares false: a bad check, as in both programs. */
function atLeast(success: number): (seen: Seen) => boolean {
  return ({ judged }) => 1 - judged.failures / judged.requests >= success;
}

const OF = { candidate: 'candidate only', service: 'whole service' };

/** What Argo Rollouts and Flagger share here: checks at the end of each minute. */
const EVERY_MINUTE = { sees: 'candidate', everyS: 60, firstS: 60, windowS: 60, dwellS: 600, count: 0 } as const;
const ARGO = { decides: 'at once', badCheckHolds: false } as const;
const FLAGGER = { ...EVERY_MINUTE, decides: 'next check', badCheckHolds: true, isGood: atLeast(0.99) } as const;

interface Walk {
  /** When the first measurement is taken: at 40 % of the documented steps, or one interval after the start of a hold. */
  readonly firstS: number;
  readonly dwellS: number;
}

/**
 * A1, the background analysis of argo-rollouts docs/features/analysis.md: `>= 0.95` every 5 minutes, failureLimit 3, which the fourth
 * failure exceeds. `irate` reads the last two scrapes, 15 s apart; the candidate-only form gets `rate` over its whole window of 5 minutes.
 */
export function argoBackground(
  sees: Query,
  walk: Walk,
  query: 'irate' | 'rate' = sees === 'service' ? 'irate' : 'rate',
): NewJudge {
  const name = `Argo A1 background: 95 % per 5 m, failureLimit 3 (${OF[sees]}, ${query})`;
  const windowS = query === 'irate' ? 15 : 300;
  return () => new Checks({ ...ARGO, ...walk, name, sees, everyS: 300, windowS, isGood: atLeast(0.95), badAllowed: 3, count: 0 });
}

/** A2, inline in the same page: 5 minutes, then one measurement that must be `>= 0.95`. */
export function argoOnce(sees: Query, firstS = 300): NewJudge {
  const name = `Argo A2 inline: 95 % once after 5 m (${OF[sees]})`;
  const times = { firstS, everyS: 60, windowS: sees === 'service' ? 15 : 300, dwellS: 0, count: 1 };
  return () => new Checks({ ...ARGO, ...times, name, sees, isGood: atLeast(0.95), badAllowed: 0 });
}

/** A3: five measurements a minute apart after 5 minutes, none of which may fail. */
export function argoInline(sees: Query, firstS = 300): NewJudge {
  const name = `Argo A3 inline: 95 % five times (${OF[sees]})`;
  const times = { firstS, everyS: 60, windowS: sees === 'service' ? 15 : 60, dwellS: 0, count: 5 };
  return () => new Checks({ ...ARGO, ...times, name, sees, isGood: atLeast(0.95), badAllowed: 0 });
}

/** The same check in every minute of a step: what gates.md 3.2 and 3.3 call Argo inline. */
export function argoEveryMinute(dwellS = 600): NewJudge {
  const name = 'Argo-like: 95 % per 60 s, failureLimit 0 (candidate only)';
  return () => new Checks({ ...ARGO, ...EVERY_MINUTE, dwellS, name, isGood: atLeast(0.95), badAllowed: 0 });
}

/** F1 (threshold 10, docs how-it-works) and F2 (threshold 5, the Istio and Gateway API tutorials): 99 % per minute. */
export function flagger(threshold: 5 | 10, sees: Query, dwellS: number, decides: Rules['decides'] = 'next check'): NewJudge {
  const name = `Flagger ${threshold === 10 ? 'F1' : 'F2'}: 99 % per 1 m, threshold ${threshold} (${OF[sees]})`;
  return () => new Checks({ ...FLAGGER, name, sees, dwellS, decides, badAllowed: threshold - 1 });
}

/** The first minute with less success ends the rollout. */
export function firstBadMinute(success: number): NewJudge {
  const name = `${success * 100} % per 1 m, first failure (candidate only)`;
  return () => new Checks({ ...ARGO, ...EVERY_MINUTE, name, isGood: atLeast(success), badAllowed: 0 });
}

/** More than twice the stable build's failing share in three minutes, not only in three that follow each other. */
export function twiceBaseline(): NewJudge {
  const isGood = ({ judged, stable }: Seen) => !(judged.failures / judged.requests > (2 * stable.failures) / stable.requests);
  return () => new Checks({ ...ARGO, ...EVERY_MINUTE, name: '> 2× the baseline per 1 m, three failures', isGood, badAllowed: 2 });
}
