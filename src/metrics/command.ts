/** Counts from a program of the user's: argv in, JSON out. Must not use a shell, and must not believe what it cannot read. */

import * as z from 'zod';
import { type ArmCounters, counterTotals, type RawCounter } from '../core/gates/counting/counters.ts';
import { STATUS_METRICS, STATUS_NAMES } from '../core/gates/counting/statuses.ts';
import { durationSchema } from '../core/gates/verdict/gate.ts';
import type { Io } from '../io.ts';
import { bothBuilds, briefly, measurementOf, slicesIn } from './arms.ts';
import type { MetricSource, Question } from './metric-source.ts';

const PLACEHOLDER = /\$\{(build|place)\}/g;

const config = z.strictObject({
  argv: z
    .array(z.string().min(1).max(4096))
    .min(1)
    .max(100)
    .refine((argv) => argv.some((part) => part.match(PLACEHOLDER) !== null), `one argument must contain \${build} or \${place}`)
    .describe(`A program and its arguments, run once per build: [/usr/local/bin/counts, "\${build}"]; no shell`),
  timeout: durationSchema
    .refine((ms) => ms >= 1 && ms <= 30_000, 'at most 30s')
    .prefault('2s')
    .describe('How long the program may take, such as 10s; default 2s, at most 30s'),
  probes: z
    .boolean()
    .default(false)
    .describe('true if the program counts requests of its own, not those of clients; default false'),
});

export type CommandConfig = z.infer<typeof config>;

const countSchema = z.int().min(0);

const totalsSchema = z
  .strictObject({
    requests: countSchema,
    errors: countSchema,
    /** Single statuses that are no errors by themselves: `{ "401": 3 }`. */
    statuses: z.partialRecord(z.enum(STATUS_NAMES), countSchema).optional(),
  })
  .refine(({ requests, errors }) => errors <= requests, 'more errors than requests')
  .refine(
    ({ requests, errors, statuses = {} }) =>
      Object.values(statuses).reduce((sum, count) => sum + (count ?? 0), errors) <= requests,
    'more errors and statuses than requests',
  );

/** What the program prints: totals since it began to count, by process where several do, by slice where there are any. */
const answerSchema = z.strictObject({
  targets: z
    .record(
      z.string().min(1).max(256),
      z.strictObject({
        startedAt: z.iso.datetime({ offset: true }).optional(),
        slices: z.record(z.string().max(256), totalsSchema),
      }),
    )
    .refine((targets) => Object.keys(targets).length > 0, 'no target'),
});

/** Follows the MetricSource port; see there for what it owes. */
export const command: MetricSource<CommandConfig> = {
  kind: 'command',
  summary: 'counts as JSON from a program, run once per build',
  config,
  ofRouter: false,
  countsTraffic: ({ probes }) => !probes,
  countsProcesses: true,
  programs: ({ argv }) => [argv],
  answerMs: ({ timeout }) => timeout,
  metrics: () => STATUS_METRICS,
  lagMs: () => 0,
  unseen: (_config, { limited, seen }) => [
    'latency: unless the program counts slow answers as errors',
    'gRPC statuses: unless the program counts them as errors',
    'retries: unless the program counts them as errors',
    ...(limited ? ['statuses: a fixed limit counts errors alone'] : statusesIn(seen) ? [] : ['statuses: the program names none']),
    ...(limited || !slicesIn(seen) ? ['slices'] : []),
  ],
  measure: async (settings, question, io) => measurementOf(await ask(settings, question, io)),
  count: (settings, pair, io) => bothBuilds(pair, (question) => ask(settings, question, io)),
  describe: ({ argv }, question) => argv.map((part) => filled(part, question)).join(' '),
};

async function ask({ argv, timeout }: CommandConfig, question: Question, io: Io): Promise<ArmCounters> {
  const asked = argv.map((part) => filled(part, question));
  const atMs = io.now();
  try {
    const { exitCode, stdout, stderr } = await io.run(asked, timeout, () => undefined);
    if (exitCode !== 0) return { missing: `${asked[0]} exited ${exitCode}: ${briefly(stderr)}` };
    return read(String(asked[0]), stdout, atMs);
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

function read(program: string, stdout: string, atMs: number): ArmCounters {
  let json: unknown;
  let unreadable = false;
  try {
    json = JSON.parse(stdout, (key, value: unknown) => {
      unreadable ||= key === '__proto__';
      return value;
    });
  } catch {
    return { missing: `${program} did not print JSON: ${briefly(stdout)}` };
  }
  // A record is read without a key of this name, so its counts would be silently omitted.
  if (unreadable) return { missing: `${program} uses the name __proto__, which is not allowed; rename it` };
  const answer = answerSchema.safeParse(json);
  if (!answer.success) {
    const [issue] = answer.error.issues;
    return {
      missing: `${program} printed JSON that is not valid counts, at ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? ''}`,
    };
  }
  const targets = Object.entries(answer.data.targets).map(([name, { startedAt, slices }]) => {
    const counters = Object.entries(slices).flatMap(([slice, { requests, errors, statuses = {} }]): RawCounter[] => [
      { counter: 'requests', slice, value: requests },
      { counter: 'errors', slice, value: errors },
      ...Object.entries(statuses).map(([counter, value]) => ({ counter, slice, value: value ?? 0 })),
    ]);
    return [name, { startedMs: startedAt === undefined ? null : Date.parse(startedAt), freshMs: atMs, counters }] as const;
  });
  return { targets: Object.fromEntries(targets) };
}

function statusesIn(seen: ArmCounters | undefined): boolean {
  return seen !== undefined && [...counterTotals(seen).keys()].some((counter) => counter !== 'requests' && counter !== 'errors');
}

function filled(part: string, { build, place }: Question): string {
  return part.replace(PLACEHOLDER, (_whole, name: string) => (name === 'build' ? build : place));
}
