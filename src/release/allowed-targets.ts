/**
 * Whether break-glass will obey the pointer that is about to be written: where others can write the state, only if the machine file names
 * everything that it touches. Asked before anything moves, so that no stanza is missing in an emergency. Changes nothing.
 */
import type { Change } from '../base/changes/change.ts';
import { groupName } from '../base/owners/accounts.ts';
import { judgeFolder } from '../base/owners/owner-rule.ts';
import { notAllowed, type Reach, reachOf, reachText } from '../base/owners/targets.ts';
import { machineOf } from '../config/machine.ts';
import type { Refusal } from '../core/errors.ts';
import type { Build } from '../core/manifest/manifest.ts';
import { scopeText } from '../core/scope.ts';
import { nearestFolder } from '../engine/facts.ts';
import { identityChecks, restoringSplit } from '../engine/pointer-writer.ts';
import type { Target } from '../engine/target.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import type { Opened } from './open.ts';
import { groupOf } from './state-dir.ts';
import { toPaste } from './trust/programs.ts';

/** What is missing in the machine file, in words and ready to paste. */
export interface NotAllowed {
  readonly message: string;
  readonly fix: string;
}

/** Why break-glass would not make the changes that restore these builds, or one that was known-good before; undefined if it would. */
export function targetNotAllowed(
  opened: Opened,
  builds: readonly Build[],
  seen: { readonly target: Target; readonly reading: Reading },
  { io }: Deps,
): NotAllowed | undefined {
  const others = othersOf(opened, io);
  if (others.length === 0) return undefined;
  const name = scopeText(opened.scope);
  const machine = machineOf(io);
  const missing = notAllowed(reachOfBuilds(opened, builds, seen), machine, name);
  if (missing === undefined) return undefined;
  // What is pasted names every place of the target, so that the next promotion misses nothing.
  const everywhere = seen.reading.places.flatMap(({ place }) => builds.slice(0, 1).map((build) => ({ ...build, ref: place })));
  const all = notAllowed(reachOfBuilds(opened, [...builds, ...everywhere], seen), machine, name) ?? missing;
  return {
    message: `${others.join(' and ')} can write the state of ${name}, and the machine file does not allow a change of it to touch ${reachText(missing)}.`,
    fix: toPaste(all, machine, name, io),
  };
}

/** The same as a refusal; and what the machine file of another host does not allow, so that no rollout begins that cannot be rolled back there. */
export async function targetRefusal(...asked: Parameters<typeof targetNotAllowed>): Promise<Refusal | undefined> {
  const problem = targetNotAllowed(...asked);
  if (problem !== undefined) return { code: 'TARGET_NOT_ALLOWED', message: problem.message, hint: problem.fix };
  const [opened, builds, { target, reading }] = asked;
  const changes = restoresOf(opened, builds, { target, reading }).flatMap((restore) => restore.changes);
  const lacking = await Promise.all(Object.keys(target.hosts).map((at) => lackingAt(at, changes, target)));
  const message = lacking.flat().join('; ');
  const hint = `Nothing was changed. See kvdeploy doctor ${opened.flags}, and docs/hosts.md.`;
  return message === '' ? undefined : { code: 'TARGET_NOT_ALLOWED', message: `${message}.`, hint };
}

/** Why a host would not make these changes, each reason once: its machine file does not list what they touch, or it does not answer. */
export async function lackingAt(at: string, changes: readonly Change[], { outside }: Target): Promise<readonly string[]> {
  const own = changes.filter((change) => change.at === at);
  const answers = await Promise.allSettled(own.map((change) => outside.elsewhere?.(at)?.ask({ do: 'may', change })));
  return [
    ...new Set(answers.flatMap((one) => (one.status === 'rejected' ? [(one.reason as Error).message.replace(/\.$/, '')] : []))),
  ];
}

/** Everyone besides root and this user who can write the state or a copy of it. */
function othersOf({ config, pointerDirs }: Opened, io: Io): readonly string[] {
  const group = groupOf(config, io);
  const shared = group === undefined ? [] : [`group ${groupName(group.gid, io.fs)}`];
  const found = pointerDirs.flatMap((dir) => judgeFolder(nearestFolder(dir, io), io.fs, group?.gid).others);
  return [...new Set([...shared, ...found])];
}

function restoresOf(
  { history, scope }: Opened,
  builds: readonly Build[],
  { target, reading }: { readonly target: Target; readonly reading: Reading },
) {
  const isThere = ({ ref }: Build) => reading.places.some((member) => member.place === ref);
  const known = history.knownGood.map(({ build }) => build).filter(isThere);
  return [...builds, ...known].map((build) => {
    const split = restoringSplit(build, { reading, history });
    return {
      changes: target.changes(split, 'at-once'),
      checks: target.checks(split),
      identity: identityChecks({ target, reading, scope }, build),
    };
  });
}

function reachOfBuilds(...asked: Parameters<typeof restoresOf>): Reach {
  const restores = restoresOf(...asked);
  const [, , { target }] = asked;
  return reachOf({
    changes: restores.flatMap(({ changes }) => changes),
    checks: restores.flatMap(({ checks }) => checks),
    identity: restores.flatMap((restore) => restore.identity),
    questions: target.questions,
    hosts: target.hosts,
  });
}
