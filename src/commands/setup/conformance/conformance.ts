/** `conformance`: tries whether a program keeps to what the `command` router needs, on a scratch target. Must be confirmed by a person. */
import { safeLine, shellWord } from '../../../base/text.ts';
import { KvdeployError } from '../../../core/errors.ts';
import { parseDuration } from '../../../core/gates/verdict/gate.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { SCRATCH } from '../../../routers/command/command-config.ts';
import { type Subject, subjectOf } from './program.ts';
import { type Scene, type Trial, trials } from './trials.ts';

export interface ConformanceOptions {
  readonly confirm?: string;
  /** A duration, for each run of the program. */
  readonly timeout: string;
}

/** `argv`: the program and its arguments, without the verb, which becomes the last argument. */
export async function conformance(argv: readonly string[], options: ConformanceOptions, deps: Deps): Promise<Outcome> {
  const timeoutMs = parseDuration(options.timeout);
  if (timeoutMs === undefined || timeoutMs < 100 || timeoutMs > 60_000)
    throw new KvdeployError('USAGE', {
      message: `--timeout ${safeLine(options.timeout)} is not a duration from 100ms to 60s; nothing was run.`,
      hint: 'Give one such as --timeout 10s',
    });
  const shown = argv.map(shellWord).join(' ');
  await mayBegin(shown, options, deps);
  const scene: Scene = {
    subject: subjectOf(argv, SCRATCH, timeoutMs, deps.io),
    stranger: subjectOf(argv, 'kvdeploy-no-such-target', timeoutMs, deps.io),
    target: SCRATCH,
    timeoutMs,
  };
  const before = await scene.subject.read().catch(() => undefined);
  let failed = 0;
  for (const trial of trials) {
    const why = await attempted(trial, scene, deps);
    if (why !== undefined) failed += 1;
  }
  const left = await putBack(scene.subject, before?.percent);
  if (failed === 0) return done(`${shown} keeps to all ${trials.length} rules.${left}`);
  return {
    code: 'CONFORMANCE_FAILED',
    message: `${shown} breaks ${failed} of ${trials.length} rules.${left}`,
    hint: 'Correct the program, and try again. What it owes: docs/command-router.md',
  };
}

async function mayBegin(shown: string, { confirm }: ConformanceOptions, { canAsk, askName }: Deps): Promise<void> {
  const what = `${shown} is run some hundred times, killed, and told to move the traffic of its target ${SCRATCH}`;
  if (confirm !== undefined && confirm !== SCRATCH)
    throw new KvdeployError('NOT_CONFIRMED', {
      message: `--confirm ${confirm} is not --confirm ${SCRATCH}; nothing was run.`,
      hint: `Give --confirm ${SCRATCH}`,
    });
  if (confirm === SCRATCH) return;
  if (!canAsk)
    throw new KvdeployError('NO_TERMINAL', {
      message: `${what}: that needs a confirmation, and there is no terminal to ask on. Nothing was run.`,
      hint: `Give --confirm ${SCRATCH}`,
    });
  if (await askName(`${what}. Type ${SCRATCH} to continue:`, SCRATCH)) return;
  throw new KvdeployError('NOT_CONFIRMED', {
    message: 'Not confirmed; nothing was run.',
    hint: `Run it again when you are sure, or give --confirm ${SCRATCH}.`,
  });
}

/** Says how it went; why it failed, or undefined. */
async function attempted({ name, attempt }: Trial, scene: Scene, deps: Deps): Promise<string | undefined> {
  let found = '';
  let why: string | undefined;
  try {
    found = await attempt(scene);
  } catch (error) {
    why = safeLine(error instanceof Error ? error.message : String(error));
  }
  deps.line({ type: 'check', name, ok: why === undefined, message: safeLine(why ?? found) });
  return why;
}

async function putBack(subject: Subject, before: Readonly<Record<string, number>> | undefined): Promise<string> {
  if (before === undefined) return '';
  const { exitCode } = await subject.set(before);
  return exitCode === 0
    ? ` ${SCRATCH} has the split that it had before.`
    : ` ${SCRATCH} could not be given the split that it had before.`;
}
