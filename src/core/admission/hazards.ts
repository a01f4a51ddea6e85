/** Hazards of one release: what could go wrong, what stands in its way, and whether that was seen just now. Judges; no I/O. */
import type { Refusal } from '../errors.ts';
import { HAZARDS } from './hazard-list.ts';
import type { Control, Hazard, Level, Looked } from './hazard-sight.ts';

const STRENGTH: Readonly<Record<Level, number>> = { elimination: 4, substitution: 3, engineering: 2, administration: 1, ppe: 0 };

/** Every hazard of this release, each judged. */
export function hazardsOf(looked: Looked): readonly Hazard[] {
  return HAZARDS.flatMap(({ id, hazard, fix, controls: look }) => {
    const controls = look(looked);
    return controls.length === 0 ? [] : [{ id, hazard, controls, controlled: isControlled(controls), fix }];
  });
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
  const first = open[0];
  if (first === undefined) return undefined;
  const list = open.map((hazard) => {
    const why = unverified(hazard).map((control) => control.detail);
    return `${hazard.hazard.replace(/\.$/, '')} (${why.join('; ')})`;
  });
  const count = open.length === 1 ? '1 hazard has' : `${open.length} hazards have`;
  return {
    code: 'HAZARD_UNCONTROLLED',
    message: `${count} no control stronger than a person being careful: ${list.join('; ')}.`,
    hint: open.map((hazard) => hazard.fix).join(' '),
  };
}
