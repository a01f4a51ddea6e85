/** Every fault that is put into the code on purpose. */
import type { Mutant } from './mutant.ts';
import { OF_THE_CHURN } from './of-the-churn.ts';
import { OF_THE_FILES } from './of-the-files.ts';
import { OF_THE_HOSTS } from './of-the-hosts.ts';
import { OF_THE_LATENCY } from './of-the-latency.ts';
import { OF_THE_MEMBERS } from './of-the-members.ts';
import { OF_NGINX } from './of-the-nginx.ts';
import { OF_THE_OWNERS } from './of-the-owners.ts';
import { OF_THE_QUERIES } from './of-the-queries.ts';
import { OF_THE_RESCUE } from './of-the-rescue.ts';
import { OF_THE_CONDITION, OF_THE_DOOR, OF_THE_GATES, OF_THE_MARKS, OF_THE_WAY_BACK } from './of-the-rollout.ts';
import { OF_LEADING, OF_THE_DISK } from './of-the-state.ts';
import { OF_THE_TARGET, OF_THE_WORDS } from './of-the-target.ts';

export const MUTANTS: readonly Mutant[] = [
  ...OF_THE_DISK,
  ...OF_LEADING,
  ...OF_THE_GATES,
  ...OF_THE_LATENCY,
  ...OF_THE_CHURN,
  ...OF_THE_QUERIES,
  ...OF_THE_CONDITION,
  ...OF_THE_WAY_BACK,
  ...OF_THE_MARKS,
  ...OF_THE_DOOR,
  ...OF_THE_TARGET,
  ...OF_THE_WORDS,
  ...OF_THE_MEMBERS,
  ...OF_THE_OWNERS,
  ...OF_THE_RESCUE,
  ...OF_THE_FILES,
  ...OF_NGINX,
  ...OF_THE_HOSTS,
];
