/** A schedule in words, and everything that happened in it, line by line. */
import { live } from './live.ts';
import type { Actor, Schedule } from './schedule.ts';

/** Lives through the schedule again and prints it. */
export async function printStory(schedule: Schedule, print: (line: string) => void): Promise<void> {
  for (const line of cast(schedule)) print(line);
  print('');
  let number = 0;
  const { phase } = await live(schedule, (atMs, who, what) => {
    number += 1;
    print(`${String(number).padStart(4)}  ${String(atMs).padStart(7)} ms  ${who.padEnd(13)} ${what}`);
  });
  print(`      it ended: ${phase}`);
}

function cast({ seed, plan, green, actors, mishaps, faults, end, replicas, isOld }: Schedule): string[] {
  const steps = plan.steps.map(({ percent, bakeMs }) => `${percent} % for ${bakeMs} ms`).join(', ');
  return [
    `seed ${seed}: a ${plan.kind} of ${plan.candidate.ref} in steps of ${steps}${plan.copies.length > 0 ? ', with a copy of the pointer' : ''}; green is ${green}`,
    ...(replicas === undefined
      ? []
      : [
          `  members: ${JSON.stringify(replicas)}${plan.unprotected ? ', unprotected' : ''}, identity ${JSON.stringify(plan.identity)}`,
        ]),
    ...(isOld ? ['  the rescue program is of an earlier version'] : []),
    ...actors.map((actor, index) => `  process ${10 + index}: ${actorText(actor)}`),
    ...faults.map(
      ({ atMs, lastsMs, what }) =>
        `  at ${atMs} ms: ${Object.values(what)
          .map((value) => (typeof value === 'object' ? JSON.stringify(value) : value))
          .join(' ')}, for ${lastsMs} ms where it ends`,
    ),
    ...mishaps.map(({ nth, fate }) => `  request ${nth + 1} to shift: ${fate}`),
    `  at the end: ${end} what is open`,
  ];
}

function actorText({ command, startMs, host, sees, dieAt, lastWord, leaveAfterMs, holdAfterMs, freeze }: Actor): string {
  const parts = [`${command} at ${startMs} ms on ${host}${sees === 'all' ? '' : ` (${sees})`}`];
  if (freeze !== null)
    parts.push(`frozen at call ${freeze.atCall} for ${freeze.forMs} ms${freeze.endable ? '' : ' and cannot be ended'}`);
  if (dieAt !== null) parts.push(`killed at call ${dieAt} (what it has sent arrives ${lastWord})`);
  if (leaveAfterMs !== null) parts.push(`told to leave after ${leaveAfterMs} ms`);
  if (holdAfterMs !== null) parts.push(`held at its step after ${holdAfterMs} ms`);
  return parts.join(', ');
}
