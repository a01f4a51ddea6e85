/** Every member of a place, and what it says when it is asked itself. Asks only; must not take the answer of one member for another's. */
import type { MemberAnswer } from '../../../core/admission/answers.ts';
import type { Target } from '../../../engine/target.ts';
import { type MemberAt, membersAt } from '../../../routers/places.ts';
import type { Reading } from '../../../routers/router.ts';

export interface MemberSeen extends MemberAt {
  /** Undefined where the router says no way to ask it. */
  readonly answer: MemberAnswer | undefined;
}

/** How many members are asked at the same time. */
const AT_ONCE = 16;

/** Asks each member of a place once, however many locations send there. */
export async function askEach(target: Target, place: string, reading: Reading): Promise<readonly MemberSeen[]> {
  const all = membersAt(reading, place);
  const keyOf = ({ member: { name, ask } }: MemberAt) => JSON.stringify([name, ask]);
  // One that is up at one location is asked, although another calls it down.
  const asked = new Map(all.toSorted((a, b) => Number(a.member.up) - Number(b.member.up)).map((one) => [keyOf(one), one]));
  const answers = new Map<string, MemberAnswer | undefined>();
  const questions = asked.entries();
  const worker = async () => {
    for (const [key, one] of questions) answers.set(key, (await target.ask(place, only(one, reading)))[0]);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, asked.size) }, worker));
  return all.map((one) => ({ ...one, answer: answers.get(keyOf(one)) }));
}

/** The reading with this one member. */
function only({ location, member }: MemberAt, reading: Reading): Reading {
  return { ...reading, locations: [{ name: location, members: [member] }] };
}
