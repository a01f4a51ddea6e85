/** What a process leads a rollout with. Nothing here changes while it leads: what does change is private to its one owner. */
import type { OutputLine } from '../core/output.ts';
import type { Io } from '../io.ts';
import type { Store } from '../stores/store.ts';
import type { Led, LedgerWriter } from './claim.ts';
import { type PointerPlaces, pointerDirsOf } from './pointer-writer.ts';
import { ReadBack } from './read-back.ts';
import type { Target } from './target.ts';
import { type Control, Watch } from './watch.ts';

/** The doors to the outside, and to the person who runs the command. */
export interface Ports {
  readonly io: Io;
  readonly target: Target;
  readonly control: Control;
  readonly report: (line: OutputLine) => void;
  /** Where the pointer is kept: its own directory and the copies. A hold can be in each. */
  readonly places: PointerPlaces;
}

export interface Runner extends Ports {
  readonly ledger: LedgerWriter;
  readonly watch: Watch;
  readonly readBack: ReadBack;
  /** The claim was taken from a process that could not be ended: what it has in flight may still arrive. */
  readonly unended: boolean;
}

/** The runner of a lead that this process has taken. */
export function runnerOf(ports: Ports, store: Store, { ledger, inherited, unended }: Led): Runner {
  const { io, target, control, places } = ports;
  const { scope } = places;
  const watch = new Watch({ io, store, scope, control, pointerDirs: pointerDirsOf(places), ledger, inherited });
  return { ...ports, ledger, watch, readBack: new ReadBack(target), unended };
}
