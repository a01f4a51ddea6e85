/** The rehearsal: everything up to the first write, then only queries. Must write nothing, end no process and make no change. */
import { check } from '../base/changes/checks.ts';
import { firstOf } from '../base/text.ts';
import { askBefore, leftAlone } from './ask.ts';
import { reachNames } from './names.ts';
import { levelObstacles, obstacles } from './obstacles.ts';
import { outOfService, outText } from './read-back.ts';
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
  // A rescue reads back only afterwards: this takes none of the time until its first change.
  const begunMs = performance.now();
  const answers = await Promise.all(checks.map((one) => check(one, outside)));
  const readMs = performance.now() - begunMs;
  const service = outOfService(checks, answers);
  const doubts = [...notes, ...(await askBefore(asked, outside, service.isOut))];
  for (const at of leftAlone(asked, checks, answers))
    doubts.push(`${at} has no server of ${build.ref} and would be left as it is`);
  const readyAfterMs = performance.now() - readMs;
  voice.progress(
    `decided after ${Math.round(decidedAfterMs)} ms, ready for the first change after ${Math.round(readyAfterMs)} ms`,
  );
  const { questions } = choice.pointer.target;
  const levels = await Promise.all(questions.map((question) => levelObstacles(question, outside)));
  const stopped = await Promise.all(changes.map((change) => obstacles(change, outside)));
  doubts.push(...levels.flat(), ...stopped.flat());
  if (checks.length === 0) doubts.push('these changes cannot be read back');
  const differences: string[] = [];
  for (const answer of answers) {
    if ('unknown' in answer) doubts.push(`cannot be read back: ${answer.unknown}`);
    else if (!answer.ok) differences.push(answer.why);
  }
  for (const why of firstOf(differences)) voice.progress(`break-glass would change this: ${why}`);
  for (const line of firstOf(service.out)) voice.warn(`OUT OF SERVICE: ${line}`);
  const shown = firstOf(doubts);
  for (const doubt of shown) voice.warn(doubt);
  const said = { differences: firstOf(differences), out: firstOf(service.out), doubts: shown };
  voice.document({ build, decidedAfterMs, readyAfterMs, checks: checks.length, ...said }, 'rehearsal');
  const serves = differences.length === 0 && doubts.length === 0;
  const serving = serves ? { guid: build.guid, place: build.ref } : null;
  const base = { scope: source.scope, serving, traffic: 'unchanged', next: [] };
  if (doubts.length > 0) {
    const message = `REHEARSED with problems: ${shown.join('; ')}. Nothing was written.`;
    return { ...base, code: 'NOT_VERIFIED', message, hint: 'Fix this now, before an emergency, and rehearse again.' };
  }
  const now = serves
    ? 'this build already serves all traffic'
    : `the router is not in exactly that state now (${differences.length} of ${checks.length} checks differ)`;
  const message =
    `✔ REHEARSED, nothing was written: the rollback path to ${build.guid} (version ${build.version}) at ${build.ref} works; ${now}. ${outText(service)}`.trim();
  return { ...base, code: null, message, hint: null };
}
