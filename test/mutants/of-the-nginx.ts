/** Faults of what reads an nginx: each would take a split for served that is not. */
import { type Mutant, mutant } from './mutant.ts';

export const OF_NGINX: readonly Mutant[] = [
  mutant(
    'a generation of nginx is believed without its hash',
    'nginx words',
    'routers/nginx/nginx-include.ts',
    'return generationOf(config, split) === generation ? percents : undefined;',
    'return split.length > 0 ? percents : undefined;',
  ),
  mutant(
    'a reading of nginx does not wait for a reload to settle',
    'nginx words',
    'routers/nginx/nginx-read.ts',
    'if (waitMs <= 0) return',
    'if (waitMs <= SETTLE_MS) return',
  ),
  mutant(
    'workers of nginx that are shutting down are not counted',
    'nginx words',
    'base/nginx/nginx-workers.ts',
    "titleOf(pid, fs).includes('shutting down')",
    "titleOf(pid, fs).includes('shut down')",
  ),
];
