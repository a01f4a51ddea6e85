/** What hazards are judged on, and the words in which a control says what was seen of it. Judges nothing twice; no I/O. */
import type { Change } from '../../base/changes/change.ts';
import type { Scope } from '../../base/scope.ts';
import type { Measurement } from '../gates/verdict/gate.ts';
import type { Plan } from '../rollout/plan.ts';
import { type Checked, type HazardId, headline } from './facts.ts';

/**
 * The hierarchy of controls, as other trades order it, strongest first: the danger is taken away (elimination), replaced by a
 * lesser one (substitution), kept off by a mechanism (engineering), or by a rule that people follow (administration). The last,
 * personal protective equipment, is here a person being careful: it fails in the very moment for which it is there.
 */
export type Level = 'elimination' | 'substitution' | 'engineering' | 'administration' | 'ppe';

/** One thing that stands in a hazard's way. */
export interface Control {
  readonly control: string;
  readonly level: Level;
  /** `absent` also where it was tried and failed. */
  readonly status: 'verified' | 'not-verified' | 'absent';
  /** What was seen just now, or why it is not verified, or absent. */
  readonly detail: string;
}

export interface Hazard {
  readonly id: HazardId;
  /** One sentence. */
  readonly hazard: string;
  readonly controls: readonly Control[];
  readonly controlled: boolean;
  /** What to do where it is not controlled. */
  readonly fix: string;
}

/** Everything that was looked at for one release. Null: it was refused before anybody looked. */
export interface Looked {
  readonly scope: Scope;
  /** Every lock and every further check that was made. */
  readonly checked: readonly Checked[];
  readonly plan: Plan | null;
  readonly otherScopes: number;
  /** Ledgers of other scopes that could not be read. */
  readonly unseenLedgers: number;
  /** Config and manifests that were read and hashed. */
  readonly filesRead: number;
  readonly entries: number;
  /** Since when a claim was not given back; null when nobody leads. */
  readonly leaderSince: string | null;
  readonly pointerGeneration: number | null;
  readonly members: readonly { readonly place: string; readonly address: string | null }[] | null;
  /** Why the router would lose the split in a reload; undefined when it keeps it. */
  readonly forgetful: string | undefined;
  /** What each gate's source says of the build that serves now. */
  readonly measured: readonly { readonly gate: string; readonly measurement: Measurement }[];
  /** The changes that lead back to the known-good build, rendered just now. */
  readonly wayBack: readonly Change[] | null;
  readonly disk: { readonly kind: 'durable' | 'volatile' | 'unsure'; readonly name: string };
  /** Copies of the pointer, and whether each lies on another disk than the state; null where that cannot be seen. */
  readonly copies: readonly { readonly dir: string; readonly elsewhere: boolean | null }[];
  readonly confirmation: { readonly wants: string; readonly given: 'flag' | 'terminal' | 'nobody' };
}

/** One row of the list of hazards. Without a control it is no hazard of this release. */
export interface DescribedHazard {
  readonly id: HazardId;
  readonly hazard: string;
  readonly fix: string;
  readonly controls: (looked: Looked) => readonly Control[];
}

/** A control of the kind that most are: a mechanism of this program. */
export function engineering(control: string, sight: Sight): Control {
  return leveled('engineering', control, sight);
}

export function leveled(level: Level, control: string, sight: Sight): Control {
  return { control, level, ...sight };
}

type Sight = Pick<Control, 'status' | 'detail'>;

export const seen = (detail: string): Sight => ({ status: 'verified', detail });

export const unsure = (detail: string): Sight => ({ status: 'not-verified', detail });

export const absent = (detail: string): Sight => ({ status: 'absent', detail });

const REFUSED_BEFORE = unsure('not looked at, since something else refuses already');

/** What the checks that cover this hazard said: the verdict of the locks, never a second one. */
export function byChecks({ checked }: Looked, id: HazardId, detail: string, notMade: Sight = REFUSED_BEFORE): Sight {
  const made = checked.filter((check) => check.hazard === id);
  const refusal = headline(made);
  if (refusal !== undefined) return absent(refusal.message.replace(/\.$/, ''));
  return made.length === 0 ? notMade : seen(detail);
}

/** What is seen in something that was looked at only where nothing refused before. */
export function lookedAt<T>(what: T | null, sight: (what: T) => Sight): Sight {
  return what === null ? REFUSED_BEFORE : sight(what);
}
