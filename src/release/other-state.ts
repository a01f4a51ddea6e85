/** Which state drives a target: hold, leader and bad marks belong to the target, so a second state must not move its traffic. Changes nothing. */
import { type Mark, type MarkSeen, readMark } from '../base/durable/marker.ts';
import { look } from '../base/durable/open-file.ts';
import { accountName } from '../base/owners/accounts.ts';
import { stateOwners } from '../base/owners/owner-rule.ts';
import { readHold } from '../base/pointer/hold.ts';
import { pointerDir } from '../base/pointer/pointer.ts';
import { readStateId } from '../base/pointer/state-id.ts';
import type { Scope } from '../base/scope.ts';
import { shellWord } from '../base/text.ts';
import type { ServiceSettings } from '../config/settings.ts';
import { KvdeployError } from '../core/errors.ts';
import { fold, type History } from '../core/ledger/history.ts';
import type { Entry } from '../core/ledger/ledger.ts';
import { scopeFlags, scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { openRouter } from '../routers/index.ts';
import { stores } from '../stores/index.ts';
import type { Deps } from './deps.ts';
import { notedPlaces } from './state-dir.ts';

/** What keeps this state from driving its target. `gone`: the state that the marker names is not there any more. `elsewhere`: its last rollout was at another target. */
export interface Obstacle {
  readonly file: string | null;
  readonly mark: Pick<Mark, 'stateDir' | 'scope' | 'account' | 'uid'> | null;
  readonly state: 'there' | 'elsewhere' | 'unreadable' | 'gone' | 'damaged' | 'newer';
  readonly why: string;
}

/** What the markers at a target say to this state. */
export interface Marking {
  readonly obstacle: Obstacle | null;
  /** The pointer folder of another copy of this same state, where a hold counts too. */
  readonly twin: string | null;
  /** Why it is not certain that no other state drives the target; null where it is. */
  readonly doubt: string | null;
}

export const NOT_MARKED: Marking = { obstacle: null, twin: null, doubt: null };

/** The scope and state that ask. */
interface Asking {
  readonly scope: Scope;
  readonly stateDir: string;
  readonly settings: Pick<ServiceSettings, 'router'> | null;
  readonly history: History;
  readonly entries: readonly Entry[];
  readonly ledgerHead: string;
}

/** Looks at the markers of the scope's target, and at the state that they name as far as it can be read. */
export async function markingOf(opened: Asking, deps: Deps): Promise<Marking> {
  const { fs } = deps.io;
  const files = marksOf(opened.settings?.router ?? opened.history.rollout?.plan.router ?? null);
  if (files.length === 0)
    return { ...NOT_MARKED, doubt: 'the router keeps nothing on this host that a marker could lie next to' };
  const own = readStateId(pointerDir(opened.stateDir, opened.scope), fs);
  const ownId = 'id' in own ? own.id : null;
  const seen = files.map((file) => readMark(file, stateOwners(fs), fs));
  const obstacle = seen.flatMap((each) => obstacleIn(each, ownId, deps.io) ?? [])[0];
  if (obstacle !== undefined) return { ...NOT_MARKED, obstacle: await whereNow(obstacle, deps.io) };
  const mark = seen.flatMap((each) => (each.kind === 'mark' ? [each.mark] : []))[0];
  if (mark !== undefined) return { ...(await twinOf(opened, mark, deps.io)), doubt: doubtIn(seen, ownId) };
  const earlier = opened.entries.length === 0 ? await stateBefore(opened, files, deps) : null;
  return { ...NOT_MARKED, obstacle: earlier, doubt: doubtIn(seen, ownId) };
}

/** Throws OTHER_STATE where another state drives the target. */
export function assertOwnTarget(
  { marking, flags }: { readonly marking: Marking; readonly flags: string },
  { io }: Pick<Deps, 'io'>,
): void {
  if (marking.obstacle !== null) throw otherState(marking.obstacle, flags, io);
}

/** True where the marker's state is known to be gone, or the marker does not say which it is: a person may replace it. */
export function isReplaceable({ obstacle }: Marking): boolean {
  return obstacle !== null && (obstacle.state === 'gone' || obstacle.state === 'damaged');
}

/** Where the markers of this router's target lie; nowhere for settings that this version does not know. */
export function marksOf(router: { readonly kind: string } | null): readonly string[] {
  if (router === null) return [];
  try {
    const { router: port, config } = openRouter({ ...router });
    return port.marks(config);
  } catch {
    return [];
  }
}

/** Whether the state that a marker names is still there, as far as this account can see. */
export function presenceOf({ stateDir, scope, stateId }: Mark, { fs }: Io): 'there' | 'unreadable' | 'gone' {
  const found = readStateId(pointerDir(stateDir, scope), fs);
  if ('id' in found) return found.id === stateId ? 'there' : 'gone';
  return /EACCES|EPERM|belongs to user/.test(found.why) ? 'unreadable' : 'gone';
}

/** What a marker has against the state with this id. */
export function obstacleIn(seen: MarkSeen, ownId: string | null, io: Io): Obstacle | undefined {
  if (seen.kind === 'damaged') return { file: seen.file, mark: null, state: 'damaged', why: seen.why };
  if (seen.kind !== 'mark' || seen.mark.stateId === ownId) return undefined;
  return { file: seen.file, mark: seen.mark, state: presenceOf(seen.mark, io), why: '' };
}

/** A service that was given another target leaves its marker behind at the old one. */
async function whereNow(obstacle: Obstacle, io: Io): Promise<Obstacle> {
  const { mark, file, state } = obstacle;
  if (state !== 'there' || mark === null || file === null) return obstacle;
  const plan = await lastPlan(mark.stateDir, mark.scope, io);
  return plan === null || marksOf(plan.router).includes(file) ? obstacle : { ...obstacle, state: 'elsewhere' };
}

function doubtIn(seen: readonly MarkSeen[], ownId: string | null): string | null {
  const doubts = seen.flatMap((each) => {
    // This state marks its target before it moves anything, so the folder does not take or keep the marker.
    if (each.kind === 'none') return ownId === null ? [] : [`${each.file} is not there: it could not be written, or was removed`];
    if (each.kind === 'stranger') return [`${each.file} belongs to user ${each.uid}, who has no say here, and is ignored`];
    return each.kind === 'unseen' ? [`${each.file} cannot be looked for: ${each.why}`] : [];
  });
  return doubts.length === 0 ? null : doubts.join('; ');
}

/**
 * The same id in another folder: this state was moved or mounted elsewhere, or copied. Of two copies only the one with the newer ledger
 * goes on: the other knows neither what became bad since nor who leads.
 */
async function twinOf(opened: Asking, mark: Mark, io: Io): Promise<Omit<Marking, 'doubt'>> {
  const dir = pointerDir(mark.stateDir, mark.scope);
  if (presenceOf(mark, io) !== 'there' || sameFolder(dir, pointerDir(opened.stateDir, opened.scope), io)) return NOT_MARKED;
  try {
    const { entries, head } = await stores.local({ stateDir: mark.stateDir }, io).read(mark.scope);
    const known = entries.length === 0 || opened.ledgerHead === head || opened.entries.some(({ prev }) => prev === head);
    const why = 'it has entries that this copy of it does not have';
    if (!known) return { ...NOT_MARKED, obstacle: { file: null, mark, state: 'newer', why } };
  } catch {
    // A copy whose ledger cannot be read holds all the same.
  }
  return { obstacle: null, twin: dir };
}

function sameFolder(a: string, b: string, { fs }: Io): boolean {
  try {
    const [one, other] = [look(a, fs, 'statSync'), look(b, fs, 'statSync')];
    return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
  } catch {
    return false;
  }
}

/** A state of this machine that drives the target and has left no marker yet: one of an earlier version. */
async function stateBefore(opened: Asking, files: readonly string[], deps: Deps): Promise<Obstacle | null> {
  const { io } = deps;
  for (const stateDir of notedPlaces(deps)) {
    if (sameFolder(stateDir, opened.stateDir, io)) continue;
    for (const scope of await scopesIn(stateDir, io)) {
      const plan = await lastPlan(stateDir, scope, io);
      if (plan === null || !marksOf(plan.router).some((file) => files.includes(file))) continue;
      const uid = io.fs.statSync(stateDir).uid;
      return { file: null, mark: { stateDir, scope, account: accountName(uid, io.fs), uid }, state: 'there', why: '' };
    }
  }
  return null;
}

async function scopesIn(stateDir: string, io: Io): Promise<readonly Scope[]> {
  try {
    return await stores.local({ stateDir }, io).scopes();
  } catch {
    return [];
  }
}

async function lastPlan(stateDir: string, scope: Scope, io: Io) {
  try {
    return fold((await stores.local({ stateDir }, io).read(scope)).entries).rollout?.plan ?? null;
  } catch {
    return null;
  }
}

/** The refusal, with the command that works; `adoptions` are those that work once the other state is lost for good. */
export function otherState(
  { file, mark, state, why }: Obstacle,
  flags: string,
  io: Io,
  adoptions = `kvdeploy adopt ${flags} --to GUID`,
): KvdeployError {
  const places = file === null ? [] : [{ file, note: 'the marker of the state that drives this target' }];
  const remove = file === null ? '' : ` If no such state drives this target any more, remove ${shellWord(file)}.`;
  if (mark === null) {
    const message = `Which state drives this target cannot be read: ${file}: ${why}.`;
    return new KvdeployError('OTHER_STATE', { message, hint: `Find out who wrote it.${remove}`, places });
  }
  const { stateDir, scope, account } = mark;
  const that = `${stateDir} (${scopeText(scope)}, account ${account})`;
  const status = `kvdeploy status ${scopeFlags(scope)} --state-dir ${shellWord(stateDir)}`;
  const refusal = (message: string, hint: string) => new KvdeployError('OTHER_STATE', { message, hint, places });
  switch (state) {
    case 'there':
    case 'newer': {
      const about = why === '' ? '' : `; ${why}`;
      return refusal(
        `The state ${that} drives this target${about}${heldText(stateDir, scope, io)}.`,
        `Give every command that state: ${status}`,
      );
    }
    case 'elsewhere':
      return refusal(
        `The state ${that} drove this target, and its last rollout was at another one.`,
        `See where it stands: ${status}${remove}`,
      );
    case 'unreadable':
      return refusal(
        `The state ${that} drives this target, and this account cannot read it.`,
        `Work as its account: sudo -u ${shellWord(account)} ${status}${remove}`,
      );
    case 'gone':
    case 'damaged':
      return refusal(
        `The state ${that} drives this target, but it is gone.`,
        `Bring it back: mount its disk, or restore a backup. If it is lost for good, name the build that is to serve: ${adoptions}`,
      );
  }
}

function heldText(stateDir: string, scope: Scope, { fs }: Io): string {
  const hold = readHold([pointerDir(stateDir, scope)], fs);
  return hold === undefined ? '' : `, and it is held: ${hold.text}`;
}
