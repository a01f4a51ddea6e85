/** Faults of what a query selects, and of what is shown of a secret. */
import { type Mutant, mutant } from './mutant.ts';

export const OF_THE_QUERIES: readonly Mutant[] = [
  mutant(
    'both builds may be counted by one series',
    'queries',
    'metrics/prometheus/prometheus.ts',
    'if (same !== undefined) return',
    'if (same === null) return',
  ),
  mutant(
    'a dot of a version matches everything',
    'queries',
    'metrics/prometheus/placeholders.ts',
    "matcher?.endsWith('~') === true",
    "matcher?.endsWith('~') === null",
  ),
  mutant(
    'a finding shows the secret that it is about',
    'queries',
    'config/parse/source.ts',
    ".replace(USER_INFO, '://***@').replace(SECRET_KEY, '$1***');",
    ';',
  ),
];
