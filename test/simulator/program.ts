/**
 * The simulator as a program: `--seed N` with `--count K` (1) lives through these seeds; `--seconds S` goes on for so long instead,
 * `--stride K` leaves seeds to other workers, `--replicas` has
 * several members at each place of every promotion. Says what it found as one line of JSON with `--json`, else a failure as a story. Exit 1 on failure.
 */
import { parseArgs } from 'node:util';
import { type Counted, table } from './coverage.ts';
import { live } from './live.ts';
import { type Schedule, scheduleOf } from './schedule.ts';
import { shrink } from './shrink.ts';
import { printStory } from './story.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string' },
    seconds: { type: 'string' },
    stride: { type: 'string', default: '1' },
    'until-failure': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    replicas: { type: 'boolean', default: false },
  },
});
const numberOf = (text: string) => {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`not a whole number: ${text}`);
  return number;
};
const drawn = (seed: number) => scheduleOf(seed, values.replicas ? 1 : undefined);
const first = numberOf(values.seed);
const stride = numberOf(values.stride);
const untilMs = values.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + 1000 * numberOf(values.seconds);
const count = values.count === undefined ? (values.seconds === undefined ? 1 : Number.POSITIVE_INFINITY) : numberOf(values.count);

export interface Found {
  readonly first: number;
  readonly schedules: number;
  readonly cpuSeconds: number;
  readonly ends: Counted;
  readonly troubles: Counted;
  readonly failures: readonly { readonly seed: number; readonly problems: readonly string[] }[];
}

async function sweep(): Promise<Found> {
  const ends: Record<string, number> = {};
  const troubles: Record<string, number> = {};
  const failures: { seed: number; problems: readonly string[] }[] = [];
  const began = process.cpuUsage();
  let schedules = 0;
  const more = () => schedules < count && performance.now() < untilMs && !(values['until-failure'] && failures.length > 0);
  while (more()) {
    const seed = first + stride * schedules;
    schedules += 1;
    const { phase, problems, troubles: met } = await live(drawn(seed));
    ends[phase] = (ends[phase] ?? 0) + 1;
    for (const what of met) troubles[what] = (troubles[what] ?? 0) + 1;
    if (problems.length > 0) failures.push({ seed, problems });
  }
  const { user, system } = process.cpuUsage(began);
  return { first, schedules, cpuSeconds: (user + system) / 1e6, ends, troubles, failures };
}

async function tell(schedule: Schedule): Promise<void> {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  await printStory(schedule, print);
  if ((await live(schedule)).problems.length === 0) return;
  const short = await shrink(schedule);
  print(`\nThe shortest schedule that still fails, found in ${short.tries} tries:\n`);
  await printStory(short.schedule, print);
}

// Errors are thrown by the dozen in every simulation, and nobody reads where: a failure is lived through again.
if (count > 1) Error.stackTraceLimit = 0;
// Who this is does not change, and each look at a file of the state asks the system for it.
const user = process.geteuid?.() ?? 0;
process.geteuid = () => user;
const found = await sweep();
const failure = found.failures[0];
if (values.json) process.stdout.write(`${JSON.stringify(found)}\n`);
else if (found.schedules === 1) await tell(drawn(first));
else {
  const { schedules, cpuSeconds } = found;
  const rate = Math.round(schedules / cpuSeconds);
  process.stdout.write(
    `${schedules} schedules from seed ${first} on, ${found.failures.length} failures, ${rate} a second of one core\n`,
  );
  process.stdout.write(`${table(found.troubles, found.ends)}\n`);
  if (failure !== undefined) await tell(drawn(failure.seed));
}
for (const { seed } of values.json ? [] : found.failures.slice(0, 10))
  process.stdout.write(`npm run simulate -- --seed ${seed}${values.replicas ? ' --replicas' : ''}\n`);
process.exitCode = failure === undefined ? 0 : 1;
