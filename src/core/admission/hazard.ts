/** What a hazard is, whether its controls are enough, and the words in which a control says what was seen of it. No I/O. */
import type { Change } from '../../base/changes/change.ts';
import type { Scope } from '../../base/scope.ts';
import type { Refusal } from '../errors.ts';
import type { Measurement } from '../gates/verdict/gate.ts';
import type { Plan } from '../rollout/plan.ts';
import { headline } from './admission.ts';
import type { Checked, ClientsSeen, HazardId, Remedy } from './facts.ts';

/**
 * The hierarchy of controls, as other trades order it, strongest first: the danger is removed (elimination), replaced by a
 * lesser one (substitution), blocked by a mechanism (engineering), or by a rule that people follow (administration). The last,
 * personal protective equipment, is here a careful person: it fails in the very moment for which it is there.
 */
export type Level = 'elimination' | 'substitution' | 'engineering' | 'administration' | 'ppe';

const STRENGTH: Readonly<Record<Level, number>> = { elimination: 4, substitution: 3, engineering: 2, administration: 1, ppe: 0 };

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

/** Everything that was looked at for one release. Null: it was refused before anyone looked. */
export interface Looked {
  readonly scope: Scope;
  /** Every check that was judged. */
  readonly checked: readonly Checked[];
  readonly plan: Plan | null;
  readonly otherScopes: number;
  /** Which gate was not asked, since only a look was wanted. */
  readonly unasked?: string | undefined;
  /** Config and manifests that were read and hashed. */
  readonly filesRead: number;
  readonly entries: number;
  /** Since when a claim was not given back; null when no one leads. */
  readonly leaderSince: string | null;
  /** Why it is not certain that no other state drives the target; null where it is. */
  readonly markDoubt: string | null;
  readonly pointerGeneration: number | null;
  readonly members: readonly { readonly place: string; readonly address: string | null }[] | null;
  /** Why the router would lose the split in a reload; undefined when it keeps it. */
  readonly forgetful: Remedy | undefined;
  /** What of the router's set-up a person should look at. */
  readonly routerDoubts: readonly string[];
  /** What of the gates sees the requests of clients. */
  readonly clients: ClientsSeen | null;
  /** What each gate does not see of how requests end, each as `kind` or `kind: why`. */
  readonly unseen: readonly { readonly gate: string; readonly unseen: readonly string[] }[];
  /** What each gate's source says of the build currently serving. */
  readonly measured: readonly { readonly gate: string; readonly measurement: Measurement }[];
  /** The changes that restore the known-good build, rendered just now. */
  readonly wayBack: readonly Change[] | null;
  /** The host names in them, which must resolve. */
  readonly wayBackHosts: readonly string[];
  readonly disk: { readonly kind: 'durable' | 'volatile' | 'unsure'; readonly name: string };
  /** Copies of the pointer, and whether each is on another disk than the state; null where that cannot be seen. */
  readonly copies: readonly { readonly dir: string; readonly elsewhere: boolean | null }[];
  readonly confirmation: { readonly wants: string; readonly given: 'flag' | 'terminal' | 'no one' };
}

/** A mechanism of this program, as most controls are. */
export const engineering = (control: string, sight: Sight): Control => leveled('engineering', control, sight);

export const leveled = (level: Level, control: string, sight: Sight): Control => ({ control, level, ...sight });

export type Sight = Pick<Control, 'status' | 'detail'>;

export const seen = (detail: string): Sight => ({ status: 'verified', detail });

export const unsure = (detail: string): Sight => ({ status: 'not-verified', detail });

export const absent = (detail: string): Sight => ({ status: 'absent', detail });

const REFUSED_BEFORE = unsure('not checked, because another check already refuses');

/** What the checks against this hazard (those of these `names`, where given) said: their verdict, never a second one. */
export function byChecks(
  { checked }: Looked,
  id: HazardId,
  detail: string,
  { notMade = REFUSED_BEFORE, names }: { readonly notMade?: Sight; readonly names?: readonly string[] } = {},
): Sight {
  const made = checked.filter(({ hazard, name }) => hazard === id && (names?.includes(name) ?? true));
  const refusal = headline(made);
  if (refusal !== undefined) return absent(refusal.message.replace(/\.$/, ''));
  const doubts = [...new Set(made.flatMap(({ notVerified }) => notVerified ?? []))];
  if (doubts.length > 0) return unsure(doubts.join('; '));
  return made.length === 0 ? notMade : seen(detail);
}

/** What is seen in something that was looked at only where nothing refused before. */
export function lookedAt<T>(what: T | null, sight: (what: T) => Sight): Sight {
  return what === null ? REFUSED_BEFORE : sight(what);
}

/**
 * A hazard is controlled when nothing that should stand in its way is absent, something stronger than a careful person was
 * verified, and, where a control could not be verified, another one of engineering or above was.
 */
export function isControlled(controls: readonly Control[]): boolean {
  if (controls.some((control) => control.status === 'absent')) return false;
  const strengths = controls.filter((control) => control.status === 'verified').map((control) => STRENGTH[control.level]);
  const strongest = Math.max(STRENGTH.ppe, ...strengths);
  const doubt = controls.some((control) => control.status === 'not-verified');
  return strongest >= (doubt ? STRENGTH.engineering : STRENGTH.administration);
}

/** The controls of a hazard that were not verified. */
export function unverified(hazard: Hazard): readonly Control[] {
  return hazard.controls.filter((control) => control.status !== 'verified');
}

/** Refuses a release with a hazard that nothing stronger than a careful person covers; undefined when there is none. */
export function hazardRefusal(hazards: readonly Hazard[]): Refusal | undefined {
  const open = hazards.filter((hazard) => !hazard.controlled);
  if (open.length === 0) return undefined;
  const list = open.map((hazard) => {
    const why = unverified(hazard).map((control) => control.detail);
    return `${hazard.hazard.replace(/\.$/, '')} (${why.join('; ')})`;
  });
  const count = open.length === 1 ? '1 hazard has' : `${open.length} hazards have`;
  return {
    code: 'HAZARD_UNCONTROLLED',
    message: `${count} no control stronger than a careful person: ${list.join('; ')}.`,
    hint: open.map((hazard) => hazard.fix).join(' '),
  };
}
