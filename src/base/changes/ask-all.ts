/** Asks many members within a limit of time, however many do not answer. Must not take one that was not asked for one that answered. */
import { limited } from '../limited.ts';
import type { Outside } from './change.ts';
import { type Identified, type IdentityCheck, identify } from './identity.ts';

/** Sockets at once; the usual limit of open files is 1024. */
const AT_ONCE = 128;

/** Programs at once: each is a process. */
const PROGRAMS_AT_ONCE = 8;

/** No new question begins after that. */
const ASK_WITHIN_MS = 8000;

/** The answer of each member, in the same order. Never rejects. */
export function identifyAll(members: readonly IdentityCheck[], outside: Outside): Promise<readonly Identified[]> {
  const until = outside.monotonic() + ASK_WITHIN_MS;
  const [servers, programs] = [limited(AT_ONCE), limited(PROGRAMS_AT_ONCE)];
  const ask = async (member: IdentityCheck) => (outside.monotonic() > until ? UNASKED : identify(member, outside));
  return Promise.all(members.map((member) => (member.kind === 'run' ? programs : servers)(() => ask(member))));
}

const UNASKED: Identified = { kind: 'silent', why: `it was not asked: the others took ${ASK_WITHIN_MS / 1000} s` };
