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
  mutant(
    'one stable member decides what is usual for the members of the candidate',
    'churn',
    'core/gates/counting/members.ts',
    'usual.set(location, { requests: sum.requests + requests, failures: sum.failures + failures });',
    'usual.set(location, { requests: requests + 0 * sum.requests, failures });',
  ),
  mutant(
    'one member that fails is hidden by the others of a fixed limit',
    'churn',
    'core/gates/verdict/gate.ts',
    'if (last.member === undefined || own.errors > own.requests || beyond < 0 ||',
    'if (last.member === undefined || own.errors <= own.requests || beyond < 0 ||',
  ),
];
