/**
 * The owner rule for everything that is believed: pointers, copies, ledgers, claims, holds, records, lists of places, and the program
 * next to a pointer. Believed are root, this user, the accounts that the machine file names, and for its members the group that
 * shares a state. Must be the only place that decides this.
 */
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import type { Fs } from '../durable/fs.ts';
import { accountName, isPrivateGroup, uidOf } from './accounts.ts';
import { readMachine } from './machine-file.ts';
import { type Believed, judgeOne, judgePath, type PathJudged, type Stranger } from './path-owners.ts';

/** A folder of a state, and who can write there. */
export interface FolderJudged extends PathJudged {
  readonly believed: Believed;
}

const known = new WeakMap<Fs, readonly number[]>();

/** The accounts that the machine file names as owners of state; read once. A broken machine file names none. */
export function stateOwners(fs: Fs): readonly number[] {
  const before = known.get(fs);
  if (before !== undefined) return before;
  const { stateOwners: named = [] } = readMachine(process.env, fs).machine;
  const owners = named.flatMap((account) => uidOf(account, fs) ?? []);
  known.set(fs, owners);
  return owners;
}

/** Root can read what every group shares, so it counts as a member of each. */
function isMember(gid: number): boolean {
  return process.geteuid?.() === 0 || process.getegid?.() === gid || process.getgroups?.().includes(gid) === true;
}

const judgedBefore = new WeakMap<Fs, Map<string, FolderJudged>>();

/**
 * Judges the real path of `dir` up to `/`. `gid` is the group that the config names; without it the group of a folder that its group
 * can write shares the state, if this user is in it. Throws where a part of the path cannot be looked at. A path that was believed is
 * judged again only if the folder itself has changed: no one but those who are believed can have changed what is above it.
 */
export function judgeFolder(dir: string, fs: Fs, gid?: number): FolderJudged {
  const stat = fs.statSync(dir);
  const user = process.geteuid?.() ?? 0;
  const key = [dir, stat.ino, stat.uid, stat.gid, stat.mode, gid, user].join('\n');
  const before = judgedBefore.get(fs)?.get(key);
  if (before !== undefined) return before;
  const mayBeShared = (stat.mode & 0o020) !== 0 && isMember(stat.gid);
  // Who is in the group of someone else knows that it is not private, whatever the files say.
  const isOthers = user !== 0 && user !== stat.uid;
  const shared = mayBeShared && (isOthers || !isPrivateGroup(stat.gid, stat.uid, fs)) ? stat.gid : undefined;
  const believed = { user, owners: stateOwners(fs), group: gid ?? shared };
  const judged = { ...judgePath(fs.realpathSync(dir), believed, fs), believed };
  if (judged.stranger === undefined)
    judgedBefore.set(fs, (judgedBefore.get(fs) ?? new Map<string, FolderJudged>()).set(key, judged));
  return judged;
}

/** Why a file in this folder could have been written by someone who is not believed, or undefined. */
export function fileStranger(file: string, stat: Stats, folder: FolderJudged, fs: Fs): Stranger | undefined {
  return folder.stranger ?? judgeOne(file, stat, folder.believed, fs, folder).stranger;
}

/** The first of the last `levels` parts of a path that is a link, or undefined: below the root of a state there are none. */
export function linkBelow(dir: string, levels: number, fs: Fs): Stranger | undefined {
  let found: Stranger | undefined;
  for (let at = dir, left = levels; left > 0; at = dirname(at), left -= 1)
    if (fs.lstatSync(at).isSymbolicLink())
      found = { at, why: 'it is a symlink, and below a state directory there are none', uid: undefined };
  return found;
}

/** What to do about a state that is not believed, with the line that works; `command` is what was wanted. */
export function strangerHint({ at, uid }: Stranger, command: string, fs: Fs): string {
  if (uid === undefined)
    return `Find out who could change it. If all is well: chmod o-w,g-w ${at}   (or, for a folder above the state that others need: chmod +t ${at})`;
  const name = accountName(uid, fs);
  const listed = `or have root list ${name} as "stateOwners" in the machine file`;
  return `Run it as its owner: ${asOwner(uid, name, command)}   (${listed})`;
}

/** The command that runs `command` as another account: as root without a password, else by sudo. */
function asOwner(uid: number, name: string, command: string): string {
  if (process.geteuid?.() !== 0 || process.platform !== 'linux') return `sudo -u '${name}' ${command}`;
  if (name === `#${uid}`) return `setpriv --reuid ${uid} --clear-groups ${command}`;
  return `runuser -u ${name} -- ${command}`;
}
