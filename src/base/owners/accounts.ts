/** Accounts and groups of this machine, as far as they can be known without asking a directory service. Must never throw. */
import { constants } from 'node:fs';
import type { Fs } from '../durable/fs.ts';
import { readAll, withFile } from '../durable/open-file.ts';

const MAX_BYTES = 1024 * 1024;

/** The lines of /etc/passwd or /etc/group, as fields. Accounts of a directory service do not stand there. */
function fieldsOf(file: '/etc/passwd' | '/etc/group', fs: Fs): string[][] {
  try {
    const text = withFile(file, constants.O_RDONLY, fs, (fd) =>
      readAll(fd, MAX_BYTES, fs, 0, Buffer.allocUnsafe(MAX_BYTES)).toString('utf8'),
    );
    return text.split('\n').map((line) => line.split(':'));
  } catch {
    return [];
  }
}

/** The uid of an account: a number as it is, a name by /etc/passwd; undefined for a name that does not stand there. */
export function uidOf(account: string | number, fs: Fs): number | undefined {
  if (typeof account === 'number') return account;
  const uid = fieldsOf('/etc/passwd', fs).find(([name]) => name === account)?.[2];
  return uid === undefined || !/^\d+$/.test(uid) ? undefined : Number(uid);
}

/** The name of an account, or `#uid`: both are understood by sudo and, as a name, by runuser. */
export function accountName(uid: number, fs: Fs): string {
  return fieldsOf('/etc/passwd', fs).find((fields) => fields[2] === String(uid))?.[0] ?? `#${uid}`;
}

/** The gid of a group in /etc/group. */
export function gidOf(group: string, fs: Fs): number | undefined {
  const gid = fieldsOf('/etc/group', fs).find(([name]) => name === group)?.[2];
  return gid === undefined || !/^\d+$/.test(gid) ? undefined : Number(gid);
}

/** The name of a group, or its number. */
export function groupName(gid: number, fs: Fs): string {
  return fieldsOf('/etc/group', fs).find((fields) => fields[2] === String(gid))?.[0] ?? String(gid);
}

/**
 * True if no one but `uid` is known to be in the group, which root's never is, since containers run any uid in it: the private group that most systems give each user, with which files are
 * group-writable by habit (umask 002). A group without members is not private: a directory service may know who is in it. A group
 * that does not stand in the files counts as private only with the number of its user.
 */
export function isPrivateGroup(gid: number, uid: number, fs: Fs): boolean {
  if (gid === 0) return false;
  const accounts = fieldsOf('/etc/passwd', fs);
  const own = accounts.find((fields) => fields[2] === String(uid))?.[0];
  const members = [...accounts.filter((fields) => fields[3] === String(gid)).map(([name]) => name), ...listed(gid, fs)];
  return members.every((name) => name === own) && (members.length > 0 || gid === uid);
}

/** Groups below this number come with the system: a directory service gives them no members. */
const FIRST_SHARED_GID = 100;

/** True for a group of the system in which no one is, as `staff` of /usr/local on Debian. */
export function isUnusedGroup(gid: number, fs: Fs): boolean {
  const isPrimary = fieldsOf('/etc/passwd', fs).some((fields) => fields[3] === String(gid));
  return gid < FIRST_SHARED_GID && !isPrimary && listed(gid, fs).length === 0;
}

/** The accounts that /etc/group names in a group. */
function listed(gid: number, fs: Fs): string[] {
  const group = fieldsOf('/etc/group', fs).find((fields) => fields[2] === String(gid));
  return (group?.[3] ?? '').split(',').filter((name) => name !== '');
}
