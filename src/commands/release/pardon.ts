/** `builds pardon`: a person takes a bad mark away. Moves no traffic; the mark and the pardon stay in the ledger for ever. */
import { KvdeployError } from '../../core/errors.ts';
import { openRollout } from '../../core/ledger/history.ts';
import { scopeText, shortGuid } from '../../core/scope.ts';
import { refuseWhileOpen } from '../../lead/lead.ts';
import { recordWord } from '../../lead/word.ts';
import { guidOf } from '../../release/chosen-build.ts';
import { confirm, mustHaveReason } from '../../release/confirm.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { openScope } from '../../release/open.ts';

export interface PardonOptions {
  readonly confirm?: string;
  readonly reason?: string;
}

/** Works under a hold too: the build may be the one to roll back to. Also for a build that a rollback left without a word on it. */
export async function pardon(typed: string, options: PardonOptions, deps: Deps): Promise<Outcome> {
  const opened = await openScope(deps, { config: 'optional' });
  const { history, scope, flags } = opened;
  const see = `kvdeploy status ${flags}`;
  const left = history.knownGood.slice(1).flatMap(({ build }) => (history.cleared.has(build.guid) ? [] : [build.guid]));
  const guid = guidOf(typed, [...history.bad.keys(), ...left], see);
  const was = history.bad.get(guid) ?? null;
  if (was === null && !left.includes(guid)) {
    const message = `Build ${shortGuid(guid)} is not marked bad in ${scopeText(scope)}.`;
    throw new KvdeployError('NOTHING_TO_DO', { message, hint: see });
  }
  const open = openRollout(history);
  if (open !== null) return refuseWhileOpen(opened, open, deps);
  const reason = await mustHaveReason(options, { what: 'A pardon', question: 'Why is it not bad after all?' }, deps);
  await confirm(
    opened,
    was === null ? `Let ${shortGuid(guid)} be promoted again` : `Take the bad mark of ${shortGuid(guid)} away (${was})`,
    options,
    deps,
  );
  const event = { type: 'pardoned', atMs: deps.io.now(), guid, reason } as const;
  await recordWord(opened, { command: 'builds pardon', event }, deps);
  const wasKnownGood = history.knownGood.some(({ build }) => build.guid === guid);
  const next = [
    ...(wasKnownGood ? [`kvdeploy rollback ${flags} --to ${guid}`] : []),
    `kvdeploy promote ${flags} --build ${guid}`,
  ];
  const message = was === null ? 'was not marked bad, and may be promoted again' : 'is not marked bad any more';
  return done(`${shortGuid(guid)} ${message}. The ledger keeps this pardon${was === null ? '' : ' and the mark'}.`, next);
}
