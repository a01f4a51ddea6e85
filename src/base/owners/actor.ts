/** Who runs this process: the account, which the kernel knows, and separately what the environment claims. Must never throw. */
import { userInfo } from 'node:os';
import type { Fs } from '../durable/fs.ts';
import { safeLine } from '../text.ts';
import { accountName } from './accounts.ts';

const CHARS_MAX = 200;

/** `deploy (uid 1001)`, on one line; `uid 1001` for a uid without an account entry. */
export function actorOf(fs: Fs): string {
  const uid = process.getuid?.();
  if (uid === undefined) return 'unknown account';
  const name = nameOf(uid, fs);
  return name === undefined ? `uid ${uid}` : `${safeLine(name).slice(0, CHARS_MAX)} (uid ${uid})`;
}

/** By the local file where it knows the account: a directory service that hangs must not hold anyone up. */
function nameOf(uid: number, fs: Fs): string | undefined {
  const local = accountName(uid, fs);
  if (!local.startsWith('#')) return local;
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** The variables that say who a person is. Anyone can set them. */
const CLAIMING = ['GITHUB_ACTOR', 'GITLAB_USER_LOGIN', 'SUDO_USER', 'USER', 'LOGNAME'] as const;

/** What the environment claims, where it claims anything that the account does not say already. */
export function claimsOf(env: (name: string) => string | undefined, actor: string): Readonly<Record<string, string>> | undefined {
  const said = CLAIMING.flatMap((name) => {
    const value = safeLine(env(name) ?? '').slice(0, CHARS_MAX);
    return value === '' || actor.startsWith(`${value} (`) ? [] : [[name, value] as const];
  });
  return said.length === 0 ? undefined : Object.fromEntries(said);
}

/** `, claims GITHUB_ACTOR=octocat`, or nothing. */
export function claimsText(claims: Readonly<Record<string, string>> | undefined): string {
  const said = Object.entries(claims ?? {}).map(([name, value]) => `${name}=${value}`);
  return said.length === 0 ? '' : `, claims ${safeLine(said.join(' '))}`;
}
