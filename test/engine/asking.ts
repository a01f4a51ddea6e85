/** Asks one build as a rollout does, at an address as a router reports it. */
import type { Answer } from '../../src/core/admission/named.ts';
import type { IdentityConfig } from '../../src/core/identity.ts';
import { hear } from '../../src/engine/asking/ask.ts';
import { questionsAt } from '../../src/engine/asking/questions.ts';
import type { Io } from '../../src/io.ts';
import type { Ask, Member } from '../../src/routers/router.ts';

/** A member that is up, with nothing to say of its counters. */
export function memberAt(ask: Ask, more: Partial<Member> = {}): Member {
  const calm = { weight: 1, percent: 100, up: true, draining: false, parked: false };
  return { name: 'blue', place: 'blue', ...calm, counters: { served: null }, ask, ...more };
}

export async function askBuild(identity: IdentityConfig, ask: string | Ask, io: Io): Promise<Answer> {
  const member = memberAt(typeof ask === 'string' ? { address: ask } : ask);
  const [question] = questionsAt(identity, [{ key: 'main', words: 'blue', location: 'main', member }], false);
  if (question === undefined) throw new Error('one member has one question');
  return 'why' in question.asked ? { unreachable: question.asked.why } : hear(question.asked, identity, io);
}
