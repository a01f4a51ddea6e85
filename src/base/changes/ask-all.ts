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
  const ask = (member: IdentityCheck) => (outside.monotonic() > until ? UNASKED : identify(member, outside));
  const answers = new Map<IdentityCheck, Identified>();
  const keep = async (member: IdentityCheck) => answers.set(member, await ask(member));
  const programs = members.filter(({ kind }) => kind === 'run');
  const servers = members.filter(({ kind }) => kind !== 'run');
  await Promise.all([inTurns(servers, AT_ONCE, keep), inTurns(programs, PROGRAMS_AT_ONCE, keep)]);
  return members.map((member) => answers.get(member) ?? UNASKED);
}

const UNASKED: Identified = { kind: 'silent', why: `it was not asked: the others took ${ASK_WITHIN_MS / 1000} s` };

/** What `work` returns for each item, in the same order; at most `atOnce` are worked on at a time. Rejects as soon as one does. */
export async function inTurns<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) done[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(items.length, atOnce) }, worker));
  return done;
}
