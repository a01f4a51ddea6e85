/** Asks many members within a limit of time, however many do not answer. Must not take one that was not asked for one that answered. */
import type { Outside } from './change.ts';
import { type Identified, type IdentityCheck, identify } from './identity.ts';

/** Sockets at once; the usual limit of open files is 1024. */
const AT_ONCE = 128;

/** Programs at once: each is a process. */
const PROGRAMS_AT_ONCE = 8;

/** No new question begins after that. */
const ASK_WITHIN_MS = 8000;

/** The answer of each member, in the same order. Never rejects. */
export async function identifyAll(members: readonly IdentityCheck[], outside: Outside): Promise<readonly Identified[]> {
  const until = outside.monotonic() + ASK_WITHIN_MS;
  const answers = new Map<IdentityCheck, Identified>();
  const worker = async (queue: IterableIterator<IdentityCheck>) => {
    for (const member of queue) answers.set(member, outside.monotonic() > until ? UNASKED : await identify(member, outside));
  };
  const programs = members.filter(({ kind }) => kind === 'run');
  const servers = members.filter(({ kind }) => kind !== 'run');
  await Promise.all([...workers(servers, AT_ONCE), ...workers(programs, PROGRAMS_AT_ONCE)].map((queue) => worker(queue)));
  return members.map((member) => answers.get(member) ?? UNASKED);
}

const UNASKED: Identified = { kind: 'silent', why: `it was not asked: the others took ${ASK_WITHIN_MS / 1000} s` };

/** As many names for one queue as work on it at once. */
function workers<T>(items: readonly T[], atOnce: number): IterableIterator<T>[] {
  return new Array<IterableIterator<T>>(Math.min(items.length, atOnce)).fill(items.values());
}
