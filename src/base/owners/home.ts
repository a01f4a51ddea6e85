/** The home folder of whoever runs this. Must never throw: containers and `sudo -u '#54321'` have no account entry. */
import { homedir, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';
import type { Fs } from '../durable/fs.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * The home folder, or undefined if there is none. A relative or empty HOME counts as none. As root, HOME counts only if root owns it
 * and no one else can write it: `sudo` may keep the HOME of the caller, who could plant a state there.
 */
export function homeFolder(env: Env, fs: Fs, user = process.geteuid?.() ?? 0): string | undefined {
  const said = env.HOME;
  if (said !== undefined && isTrustedHome(said, fs, user)) return said;
  return [ofAccount, homedir].map(quietly).find((home) => home !== undefined && isTrustedHome(home, fs, user));
}

function ofAccount(): string {
  return userInfo().homedir;
}

function quietly(ask: () => string): string | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

/** True for an absolute path that counts as a home folder. One that is not there yet holds nothing that could be believed by mistake. */
export function isTrustedHome(home: string, fs: Fs, user = process.geteuid?.() ?? 0): boolean {
  if (!isAbsolute(home)) return false;
  if (user !== 0) return true;
  try {
    const stat = fs.statSync(home, { throwIfNoEntry: false });
    return stat === undefined || (stat.uid === 0 && (stat.mode & 0o022) === 0);
  } catch {
    return false;
  }
}
