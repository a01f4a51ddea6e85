/** Frozen leaders that nobody can end, in short: one, that break-glass goes back from. */
import { wakeThemUp } from './unendable-in-form.ts';

wakeThemUp('unendable-short', [{ by: 'break-glass', wakes: 'in time' }], 1);
