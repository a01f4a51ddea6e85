/** Which events a ledger must keep. A fold of these alone must stand where the rollout stands. No I/O. */
import type { Event } from './events.ts';
import type { State } from './rollout.ts';

/** True when the ledger must keep this event: it changed where the rollout stands, or says who did what. */
export function isDurable(before: State, event: Event, after: State): boolean {
  switch (event.type) {
    case 'polled':
      return before.phase !== after.phase || before.step !== after.step || event.checkpoint === true;
    case 'not-converged':
    case 'shift-failed':
    case 'point-failed':
      return before.phase !== after.phase || before.step !== after.step;
    case 'claimed':
    case 'released':
    case 'planned':
    case 'prepared':
    case 'refused':
    case 'shifted':
    case 'converged':
    case 'drifted':
    case 'pointed':
    case 'abort-requested':
    case 'left':
    case 'imported':
    case 'reconciled':
      return true;
  }
}
