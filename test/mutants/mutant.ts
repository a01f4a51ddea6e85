/** One fault that is put into the code on purpose: the exact text of its place, what stands there instead, and who must notice. */
import type { Mutation } from '../simulator/bundle.d.mts';
import type { Detector } from './detectors.ts';

export interface Mutant {
  /** What it breaks. */
  readonly name: string;
  readonly mutations: readonly Mutation[];
  /** The simulator, or one of the small programs of detectors.ts. */
  readonly noticedBy: 'simulator' | Detector;
}

export function mutant(name: string, noticedBy: Mutant['noticedBy'], file: string, from: string, to: string): Mutant {
  return { name, noticedBy, mutations: [{ file: `src/${file}`, from, to }] };
}
