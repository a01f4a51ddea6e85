/** Keeps changes away from the router of another environment, and from no other location. Must change nothing. */
import type { Change, Outside, TargetQuestion } from './change.ts';
import { askTarget } from './target-question.ts';

/** Which target it must be: the environment, and those that it must not be. */
export interface Own {
  readonly questions: readonly TargetQuestion[];
  readonly environment: string;
  readonly others: readonly string[];
}

export interface OwnChanges {
  readonly changes: readonly Change[];
  /** Why some changes are left out; undefined if none is. */
  readonly stranger: string | undefined;
}

/**
 * The changes without those of a location that says that it is another environment. Anything else it says, or no answer, leaves out
 * nothing: a revert must not be made impossible by silence.
 */
export async function ownChanges(changes: readonly Change[], own: Own, outside: Outside): Promise<OwnChanges> {
  const asked = own.questions.map(async (question) => {
    const answer = await askTarget(question, own.environment, own.others, outside);
    const address = question.at ?? (question.kind === 'socket' ? question.address : undefined);
    return answer.kind === 'other' ? [{ address, why: answer.why }] : [];
  });
  const others = (await Promise.all(asked)).flat();
  if (others.length === 0) return { changes, stranger: undefined };
  const isOthers = (change: Change) =>
    others.some(
      ({ address }) =>
        address === undefined || (change.at ?? (change.kind === 'socket' ? change.address : undefined)) === address,
    );
  const why = others.map((other) => other.why).join('; ');
  return { changes: changes.filter((change) => !isOthers(change)), stranger: `nothing was changed there: ${why}` };
}
