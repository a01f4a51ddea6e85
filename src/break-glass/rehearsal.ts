/** The rehearsal: everything up to the first write, then only queries. Must write nothing, end no process and make no change. */
import { check } from '../base/changes/checks.ts';
import { askBefore } from './ask.ts';
import { reachNames } from './names.ts';
import { levelObstacles, obstacles } from './obstacles.ts';
import type { Rescuing, Tools } from './rescue.ts';
import type { Ending } from './voice.ts';

/** The placeholder in the commands that a rehearsal prints. */
export const REASON_TO_SAY = 'why, in at least 10 characters';

/**
 * What break-glass would find now. `decidedAfterMs`: milliseconds from the start of the process to the decision. Throws Refused if
 * break-glass would; ends with NOT_VERIFIED if a query got no answer. It is not an error if another build serves now.
 */
export async function rehearse(
  rehearsed: Pick<Rescuing, 'source' | 'choice' | 'environments' | 'otherCommands'>,
  decidedAfterMs: number,
  tools: Pick<Tools, 'outside' | 'voice'>,
): Promise<Ending> {
  const { source, choice } = rehearsed;
  const { voice } = tools;
  const { build, changes, checks } = choice.restore;
  const asked = { ...rehearsed, scope: source.scope };
  const { outside, notes } = await reachNames(asked, tools.outside);
  const doubts = [...notes, ...(await askBefore(asked, outside))];
  const readyAfterMs = performance.now();
  voice.progress(
    `decided after ${Math.round(decidedAfterMs)} ms, ready for the first change after ${Math.round(readyAfterMs)} ms`,
  );
  const { questions } = choice.pointer.target;
  const levels = await Promise.all(questions.map((question) => levelObstacles(question, outside)));
  const stopped = await Promise.all(changes.map((change) => obstacles(change, outside)));
  doubts.push(...levels.flat(), ...stopped.flat());
  if (checks.length === 0) doubts.push('these changes cannot be read back');
  const differences: string[] = [];
  for (const answer of await Promise.all(checks.map((one) => check(one, outside)))) {
    if ('unknown' in answer) doubts.push(`cannot be read back: ${answer.unknown}`);
    else if (!answer.ok) differences.push(answer.why);
  }
  for (const why of differences) voice.progress(`break-glass would change this: ${why}`);
  for (const doubt of doubts) voice.warn(doubt);
  voice.document({ build, decidedAfterMs, readyAfterMs, checks: checks.length, differences, doubts }, 'rehearsal');
  const serves = differences.length === 0 && doubts.length === 0;
  const serving = serves ? { guid: build.guid, place: build.ref } : null;
  const base = { scope: source.scope, serving, traffic: 'unchanged', next: [] };
  if (doubts.length > 0) {
    const message = `REHEARSED with problems: ${doubts.join('; ')}. Nothing was written.`;
    return { ...base, code: 'NOT_VERIFIED', message, hint: 'Fix this now, before an emergency, and rehearse again.' };
  }
  const now = serves
    ? 'this build already serves all traffic'
    : `the router is not in exactly that state now (${differences.length} of ${checks.length} checks differ)`;
  const message = `✔ REHEARSED, nothing was written: the rollback path to ${build.guid} (version ${build.version}) at ${build.ref} works; ${now}.`;
  return { ...base, code: null, message, hint: null };
}
