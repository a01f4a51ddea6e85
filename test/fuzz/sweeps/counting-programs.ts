/** What a counting program prints: whole counts as it wrote them, or missing. */
import { countsFault, gatePollOf } from '../../../src/core/gates/counting/blocks.ts';
import { type ArmCounters, countersSince, counterTotals, NO_COUNTERS } from '../../../src/core/gates/counting/counters.ts';
import type { Guid } from '../../../src/core/scope.ts';
import type { Io } from '../../../src/io.ts';
import { command } from '../../../src/metrics/command.ts';
import { hostileText, hostileValue, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustPrintSafely } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

interface Printed {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const SETTINGS = { probes: false, timeout: 2000, argv: ['/bin/counts', '${build}'] };
const STATUSES = ['401', '403', '404', '408', '429', 'other 4xx'];

function questionOf(place: string) {
  const scope = { tenant: 'acme', environment: 'production', service: 'web' };
  return { scope, build: '7c9e6679-7425-40de-944b-e07fc1f90ae7' as Guid, place, address: null };
}

function totalsOf(luck: Luck, at: number): Record<string, unknown> {
  const requests = at * 1000 + luck.below(1000);
  const errors = at * 10 + luck.below(10);
  const statuses = { [luck.pick(STATUSES)]: at * 10 + luck.below(10) };
  return { requests, errors, ...(luck.chance(0.2) ? { statuses } : {}) };
}

interface Shape {
  readonly slices: readonly string[];
  readonly targets: readonly string[];
  readonly dated: boolean;
}

function shapeOf(luck: Luck): Shape {
  return {
    slices: luck.pick([[''], [''], ['eu', 'us'], ['constructor', '__proto__'], ['other', hostileText(luck)]]),
    targets: luck.pick([['a'], ['a', 'b'], ['constructor'], [hostileText(luck)], ['__proto__']]),
    dated: luck.chance(0.3),
  };
}

function printedOf(luck: Luck, at: number, { slices, targets, dated }: Shape): Printed {
  const started = luck.pick(['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123+01:00']);
  const target = () => ({
    ...(dated ? { startedAt: started } : {}),
    slices: Object.fromEntries(slices.map((slice) => [slice, totalsOf(luck, at)])),
  });
  const answer = { targets: Object.fromEntries(targets.map((name) => [name, target()])) };
  const text = JSON.stringify(luck.chance(0.8) ? answer : mutated(luck, answer)) ?? '';
  const stdout = luck.chance(0.05) ? damagedText(luck, text) : luck.chance(0.03) ? String(hostileValue(luck)) : text;
  return { exitCode: luck.chance(0.97) ? 0 : luck.pick([1, 127, -1]), stdout, stderr: luck.chance(0.9) ? '' : hostileText(luck) };
}

/** All counts by counter, where every one of them can be believed; nothing where not. */
function strictTotals({ exitCode, stdout }: Printed): ReadonlyMap<string, number> | undefined {
  try {
    const sums = new Map<string, number>();
    const { targets } = JSON.parse(stdout) as { targets: Record<string, { slices: Record<string, Record<string, unknown>> }> };
    for (const { slices } of Object.values(targets))
      for (const { statuses = {}, ...counts } of Object.values(slices))
        for (const [counter, count] of [...Object.entries(counts), ...Object.entries(statuses as Record<string, unknown>)]) {
          if (!Number.isSafeInteger(count) || (count as number) < 0) return undefined;
          sums.set(counter, (sums.get(counter) ?? 0) + (count as number));
        }
    return exitCode === 0 ? sums : undefined;
  } catch {
    return undefined;
  }
}

function mustBeWhatWasPrinted(arm: ArmCounters, printed: Printed): void {
  if (!('targets' in arm)) return;
  const strict = strictTotals(printed);
  const read = counterTotals(arm);
  must(strict !== undefined, 'counts that nobody can read were read');
  for (const [counter, count] of strict) must(read.get(counter) === count, `${counter} are not what was printed`);
  must((read.get('errors') ?? 0) <= (read.get('requests') ?? 0), 'more errors than requests');
  for (const { startedMs } of Object.values(arm.targets))
    must(startedMs === null || Number.isFinite(startedMs), 'it began at no time');
}

export const countingPrograms: Sweep<readonly Printed[]> = {
  name: 'counting-programs',
  what: 'what counting programs print',
  kind: 'objects',
  share: 0.015,
  make: (luck) => {
    const shape = shapeOf(luck);
    return [1, 1, 2, 2].map((at) => printedOf(luck, at, shape));
  },
  judge: async (printed) => {
    const [candidate, stable] = [questionOf('green'), questionOf('blue')];
    let memory = NO_COUNTERS;
    let word = 'missing';
    for (const at of [0, 2]) {
      const answers = [...printed.slice(at, at + 2)];
      const run: Io['run'] = async () => answers.shift() ?? Promise.reject(new Error('killed'));
      const io = { now: () => 1_700_000_000_000 + at, run } as unknown as Io;
      const reading = await command.count(SETTINGS, { candidate, stable }, io);
      for (const [index, arm] of [reading.candidate, reading.stable].entries()) {
        if ('missing' in arm) mustPrintSafely([{ type: 'note', level: 'warning', message: arm.missing }]);
        else mustBeWhatWasPrinted(arm, printed[at + index] as Printed);
      }
      const delta = countersSince(memory, reading, 2000);
      memory = delta.memory;
      const { candidate: arm, blocks } = gatePollOf(delta, command.metrics(SETTINGS));
      if (arm.state !== 'counted') continue;
      word = 'counted';
      for (const slices of Object.values(blocks))
        for (const block of Object.values(slices))
          must(!(countsFault(block.candidate) ?? '').includes('below zero'), 'counts below zero');
    }
    return word;
  },
  must: ['missing', 'counted'],
};
