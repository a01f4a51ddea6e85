/** `conformance`: tries whether a program keeps to what the `command` router needs, on a scratch target. Must be confirmed by a person. */
import { safeLine, shellWord } from '../../../base/text.ts';
import { KvdeployError } from '../../../core/errors.ts';
import { parseDuration } from '../../../core/gates/verdict/gate.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import { argvSchema } from '../../../routers/argv-schema.ts';
import { SCRATCH } from '../../../routers/command/command-config.ts';
import { askedText } from '../../../routers/command/command-protocol.ts';
import { type Percents, Stopped, type Subject, subjectOf } from './program.ts';
import { isSame, type Scene, splitText, type Trial, trials } from './trials.ts';

const KILLS = 20;

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
  mustBeProgram(argv, shown);
  await mayBegin(shown, options, deps);
  let isStopped = false;
  const listens = deps.onSignal((signal) => {
    isStopped = true;
    const message = `${signal}: ending after the program's run that is under way, at most ${options.timeout}, and putting ${SCRATCH} back`;
    deps.line({ type: 'note', level: 'warning', message });
  });
  try {
    return await tried(argv, shown, timeoutMs, deps, () => isStopped);
  } finally {
    listens();
  }
}

async function tried(
  argv: readonly string[],
  shown: string,
  timeoutMs: number,
  deps: Deps,
  stopped: () => boolean,
): Promise<Outcome> {
  const { io } = deps;
  const subject = subjectOf(argv, SCRATCH, { timeoutMs, io, stopped });
  const stranger = subjectOf(argv, 'kvdeploy-no-such-target', { timeoutMs, io, stopped });
  const before = await firstRead(subject, shown);
  let failed = 0;
  for (const trial of trials) {
    if (stopped()) break;
    const why = await attempted(trial, { subject, stranger, target: SCRATCH, timeoutMs, kills: KILLS }, deps);
    if (why !== undefined) failed += 1;
  }
  // Also after a signal: the split of a test is not what anyone wants to find.
  const left = await putBack(subjectOf(argv, SCRATCH, { timeoutMs, io }), before);
  if (stopped()) return { code: 'INTERRUPTED', message: `Interrupted; the program is not running any more.${left.text}` };
  if (failed === 0 && left.ok) return done(`${shown} keeps to all ${trials.length} rules.${left.text}`);
  return {
    code: 'CONFORMANCE_FAILED',
    message: `${shown} breaks ${failed} of ${trials.length} rules.${left.text}`,
    hint: 'Correct the program, and try again. What it owes: docs/command-router.md',
  };
}

/** As the config of the router takes it, so that what keeps the rules here can be put there. */
function mustBeProgram(argv: readonly string[], shown: string): void {
  const { success, error } = argvSchema('/usr/local/bin/split').safeParse(argv);
  if (success) return;
  throw new KvdeployError('USAGE', {
    message: `${shown} is not a program and its arguments: ${error.issues[0]?.message ?? 'no reason given'}; nothing was run.`,
    hint: 'No shell reads them: kvdeploy conformance -- /usr/local/bin/split /var/lib/split',
  });
}

/** The split that it finds. Without one no rule can be tried. */
async function firstRead(subject: Subject, shown: string): Promise<Percents> {
  const hint = `Set up a target named ${SCRATCH} for the program, with two places or more, and see what it prints: printf '%s' '${askedText(SCRATCH).trim()}' | ${shown} read`;
  const fail = (why: string, cause?: unknown) =>
    new KvdeployError('CONFORMANCE_FAILED', {
      ...{ message: `No rule was tried, and nothing was set, since ${why}.`, hint },
      cause,
    });
  let percent: Percents;
  try {
    ({ percent } = await subject.read());
  } catch (cause) {
    throw fail(safeLine(cause instanceof Error ? cause.message : String(cause)), cause);
  }
  if (Object.keys(percent).length < 2) throw fail(`${SCRATCH} has one place`);
  return percent;
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
    if (error instanceof Stopped) return undefined;
    why = safeLine(error instanceof Error ? error.message : String(error));
  }
  deps.line({ type: 'check', name, ok: why === undefined, message: safeLine(why ?? found) });
  return why;
}

/** By what `read` says afterwards: an exit code proves nothing. */
async function putBack(subject: Subject, before: Percents): Promise<{ readonly ok: boolean; readonly text: string }> {
  await subject.set(before);
  const now = await subject.read().catch(() => undefined);
  const ok = now !== undefined && isSame(now.percent, before);
  if (ok) return { ok, text: ` ${SCRATCH} has the split that it had before.` };
  return { ok, text: ` ${SCRATCH} could not be given the split that it had before: ${splitText(before)}.` };
}
