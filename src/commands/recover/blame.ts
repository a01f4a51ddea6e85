/** Whether the build that a rollback leaves is bad: a person says so, or nothing is marked. Must never stop a rollback. */
import { KvdeployError } from '../../core/errors.ts';
import type { Build } from '../../core/manifest/manifest.ts';
import { type Guid, shortGuid } from '../../core/scope.ts';
import type { Io } from '../../io.ts';
import type { Lead } from '../../lead/lead.ts';
import { recordWord } from '../../lead/word.ts';
import { confirmation } from '../../release/confirm.ts';
import { type Deps, type Outcome, reasonOf } from '../../release/deps.ts';
import type { Opened } from '../../release/open.ts';

/** The flags of every command that may mark a build. */
export interface BlameOptions {
  readonly bad?: boolean;
  readonly notBad?: boolean;
  readonly confirm?: string;
  readonly reason?: string;
}

/** Throws USAGE where the flags contradict each other. */
export function assertOneWord({ bad, notBad }: BlameOptions): void {
  if (bad !== true || notBad !== true) return;
  const message = '--bad and --not-bad contradict each other.';
  throw new KvdeployError('USAGE', { message, hint: 'Give one of them, or neither: then nothing is marked.' });
}

/** Asked only where the confirmation was asked too: where that was a flag, a person may not be there. Neither flag may be given. */
export async function saysBad(builds: readonly Guid[], opened: Opened, options: BlameOptions, deps: Deps): Promise<boolean> {
  if (builds.length === 0 || confirmation(opened, options, deps).given !== 'terminal') return false;
  return deps.askYes(`Is ${namesOf(builds)} bad? A bad build cannot be promoted again, and no rollback leads to it`);
}

export const namesOf = (builds: readonly Guid[]): string => builds.map(shortGuid).join(' and ');

/** Begins as `begin` does, then writes down what a flag said of the builds that are left. What cannot be written is a warning. */
export function marking(begin: Lead['begin'], left: readonly Build[], options: BlameOptions, deps: Deps): Lead['begin'] {
  if (!hasWord(options)) return begin;
  return async (runner) => {
    const state = await begin(runner);
    const { ledger, io } = runner;
    for (const { guid } of left) {
      const written = ledger.append(markOf(guid, options.bad === true, options, io));
      const failed = await written.then(
        (ok) => (ok ? undefined : 'another process leads'),
        (error: Error) => error.message,
      );
      if (failed !== undefined) warnUnmarked(guid, failed, deps);
    }
    return ledger.history.rollout ?? state;
  };
}

/** Traffic is where it should be; only the word is left to be written. Never throws. */
export async function markNow(
  left: readonly Guid[],
  bad: boolean,
  opened: Opened,
  options: BlameOptions,
  deps: Deps,
): Promise<void> {
  for (const guid of left) {
    try {
      await recordWord(opened, { command: 'rollback', event: markOf(guid, bad, options, deps.io) }, deps);
    } catch (error) {
      warnUnmarked(guid, error instanceof Error ? error.message : String(error), deps);
    }
  }
}

function markOf(guid: Guid, bad: boolean, options: BlameOptions, io: Pick<Io, 'now'>) {
  const reason = reasonOf(options);
  const why = `rolled back from${reason === null ? '' : `: ${reason}`}`;
  return { type: 'marked', atMs: io.now(), guid, bad, why } as const;
}

export const hasWord = ({ bad, notBad }: BlameOptions): boolean => bad === true || notBad === true;

function warnUnmarked(guid: Guid, why: string, deps: Deps): void {
  const message = `${shortGuid(guid)} was left, but what was said of it COULD NOT BE WRITTEN DOWN: ${why}`;
  deps.line({ type: 'note', level: 'warning', message });
}

/** After a rollback that went well: asks where no flag said it, and adds to the result what came of it. */
export async function settleBlame(
  outcome: Outcome,
  left: readonly Guid[],
  opened: Opened,
  options: BlameOptions,
  deps: Deps,
): Promise<Outcome> {
  if (outcome.code !== null) return outcome;
  const tell = (text: string) => ({ ...outcome, message: `${outcome.message} ${text}` });
  const names = namesOf(left);
  if (options.bad === true) {
    const moved =
      'Nothing is marked bad: by the ledger no other build was serving, and traffic alone says nothing about a build.';
    return tell(left.length === 0 ? moved : `${names} is marked bad.`);
  }
  if (left.length === 0) return outcome;
  if (options.notBad === true) return tell(`${names} is not marked bad.`);
  if (confirmation(opened, options, deps).given !== 'terminal')
    return tell(`${names} is not marked bad, since neither --bad nor --not-bad was given.`);
  if (!(await saysBad(left, opened, options, deps))) return tell(`${names} is not marked bad.`);
  await markNow(left, true, opened, options, deps);
  return tell(`${names} is marked bad.`);
}
