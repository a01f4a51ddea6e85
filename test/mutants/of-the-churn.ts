/** Faults of what is counted of processes that come and go. */
import { type Mutant, mutant } from './mutant.ts';

export const OF_THE_CHURN: readonly Mutant[] = [
  mutant(
    'processes that die all the time pass for ones that move',
    'churn',
    'core/gates/counting/departures.ts',
    'if (departs && spare < 1) deaths += 1;',
    'if (departs && spare < 1) deaths += 0;',
  ),
  mutant(
    'totals that are shown in turn are counted as restarts',
    'churn',
    'core/gates/counting/turns.ts',
    "if (total > before / 2 || isWhereItWas(was, before, total)) return 'doubtful';",
    "if (total > before) return 'doubtful';",
  ),
];
