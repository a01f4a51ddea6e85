/**
 * The owner rule: who could have written what is at a path. Every folder from `/` down counts, because whoever may write one of
 * them decides what is below. Must not know what the file is for, or whom the machine file names.
 */
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { Fs } from '../durable/fs.ts';
import { accountName, groupName, isPrivateGroup, isUnusedGroup } from './accounts.ts';

/** Whose files are believed. Root is always one of them. */
export interface Believed {
  readonly user: number;
  /** Accounts that the machine file names. */
  readonly owners: readonly number[];
  /** The group that shares the state, if it does and this user is in it. */
  readonly group: number | undefined;
}

/** Why a file is not believed. */
export interface Stranger {
  /** The folder or file that someone else can write. */
  readonly at: string;
  readonly why: string;
  /** Whose it is, if its owner is the reason. */
  readonly uid: number | undefined;
}

export interface Judged {
  readonly stranger: Stranger | undefined;
  /** Everyone besides root and this user who can write there: `group deploy`, `user kvdeploy`. Empty: only these two. */
  readonly others: readonly string[];
}

/** A folder, and whether one of the folders above it keeps every other user and group out. */
export interface PathJudged extends Judged {
  readonly closed: boolean;
}

/** Judges every folder of `real`, which has no links, from `/` down to itself. Throws where a part cannot be looked at. */
export function judgePath(real: string, believed: Believed, fs: Fs): PathJudged {
  const others = new Set<string>();
  const parts = partsOf(real);
  const top = fs.lstatSync('/');
  // Where a user namespace does not know root, root's folders belong to a number without a user, as `/` does.
  let alias = top.uid === 0 ? undefined : top.uid;
  let closed = false;
  for (const [index, at] of parts.entries()) {
    const stat = at === '/' ? top : fs.lstatSync(at);
    const isLast = index === parts.length - 1;
    const rooted = stat.uid === alias && stat.isDirectory();
    const whom = rooted ? { ...believed, owners: [...believed.owners, stat.uid] } : believed;
    const judged = judgeOne(at, stat, whom, fs, { closed, passage: !isLast });
    if (judged.stranger !== undefined) return { ...judged, others: [...others], closed };
    for (const other of rooted ? [] : judged.others) others.add(other);
    if (!rooted || (stat.mode & 0o022) !== 0) alias = undefined;
    if (stat.isDirectory() && (stat.mode & 0o011) === 0) closed = true;
  }
  return { stranger: undefined, others: [...others], closed };
}

/** `/a/b` is `/`, `/a`, `/a/b`. */
function partsOf(path: string): string[] {
  const parts = [path];
  for (let at = path; at !== dirname(at); at = dirname(at)) parts.unshift(dirname(at));
  return parts;
}

/** Where a folder or file is. */
export interface Situated {
  /** A folder above it keeps every other user and group out. */
  readonly closed?: boolean;
  /** It is a folder on the way: if it is sticky, any user may write there, because no one can rename what belongs to others. */
  readonly passage?: boolean;
}

/** Judges one folder or file by itself. */
export function judgeOne(at: string, stat: Stats, believed: Believed, fs: Fs, { closed, passage }: Situated = {}): Judged {
  const others: string[] = [];
  const refused = (why: string, uid?: number): Judged => ({ stranger: { at, why, uid }, others });
  if (stat.isSymbolicLink()) return refused('it is a symlink');
  const isGroups = believed.group !== undefined && stat.gid === believed.group;
  if (stat.uid !== 0 && stat.uid !== believed.user) {
    if (believed.owners.includes(stat.uid)) others.push(`user ${accountName(stat.uid, fs)}`);
    else if (isGroups) others.push(`group ${groupName(stat.gid, fs)}`);
    else return refused(`it belongs to user ${nameAndUid(stat.uid, fs)}`, stat.uid);
  }
  const fine: Judged = { stranger: undefined, others };
  if (passage === true && stat.isDirectory() && (stat.mode & 0o1000) !== 0) return fine;
  if ((stat.mode & 0o002) !== 0) return refused('any user can write to it');
  if ((stat.mode & 0o020) === 0 || (stat.gid === 0 && passage === true) || (closed === true && !isGroups)) return fine;
  if (isGroups) return { stranger: undefined, others: [...others, `group ${groupName(stat.gid, fs)}`] };
  if (isPrivateGroup(stat.gid, stat.uid, fs) || (passage === true && isUnusedGroup(stat.gid, fs))) return fine;
  return refused(`group ${groupName(stat.gid, fs)} can write to it, but the state is not shared with that group`);
}

function nameAndUid(uid: number, fs: Fs): string {
  const name = accountName(uid, fs);
  return name === `#${uid}` ? `${uid}` : `${uid} (${name})`;
}
