/** Faults of what is done at another host, and of how it is reached. */
import { type Mutant, mutant } from './mutant.ts';

const HOST = 'base/at/at-host.ts';

export const OF_THE_HOSTS: readonly Mutant[] = [
  mutant(
    'another host does not look for its own hold',
    'hosts',
    HOST,
    "by === 'rescue' ? undefined : readHold",
    "by !== 'rescue' ? undefined : readHold",
  ),
  mutant(
    'another host obeys whatever its machine file lists',
    'hosts',
    HOST,
    '  if (refusal !== undefined) return refusal;\n',
    '  if (refusal === undefined) return { failed: name };\n',
  ),
  mutant('a key of one scope gives orders for another one', 'hosts', HOST, ' && host.only !== name)', ' && host.only === name)'),
  mutant(
    'a change that waited in a frozen host is made when it wakes',
    'hosts',
    HOST,
    'untilMs >= host.outside.monotonic()',
    'untilMs >= 0',
  ),
  mutant(
    'a host with a new key is believed',
    'hosts',
    'base/at/at-way.ts',
    "StrictHostKeyChecking: 'yes'",
    "StrictHostKeyChecking: 'accept-new'",
  ),
];
