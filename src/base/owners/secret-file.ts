/** A file with a secret, or with what decides whom to believe: who could have written it, and who can read it. Must not print what is in it. */
import { constants } from 'node:fs';
import type { Fs } from '../durable/fs.ts';
import { readAll, withFile } from '../durable/open-file.ts';
import { stateOwners } from './owner-rule.ts';
import { judgePath } from './path-owners.ts';

/** A secret is short; a CA file may hold all that a system believes. */
const MAX_BYTES = { secret: 64 * 1024, public: 1024 * 1024 } as const;

/** The text of a file that no stranger could have written and not everyone can read. Throws with the reason and what to do. */
export function readSecretFile(file: string, fs: Fs, who: 'secret' | 'public' = 'secret'): string {
  const real = fs.realpathSync(file);
  const believed = { user: process.geteuid?.() ?? 0, owners: stateOwners(fs), group: undefined };
  const { stranger, closed } = judgePath(real, believed, fs);
  if (stranger !== undefined) throw new Error(`${stranger.at}: ${stranger.why}, so it could be someone else's`);
  // Not O_NOFOLLOW: the path without links was judged.
  return withFile(real, constants.O_RDONLY | constants.O_NONBLOCK, fs, (fd) => {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw new Error(`${file} is not a regular file`);
    if (stat.size > MAX_BYTES[who]) throw new Error(`${file} has more than ${MAX_BYTES[who]} bytes`);
    if (who === 'secret' && (stat.mode & 0o004) !== 0 && !closed) throw new Error(`any user can read ${file}: chmod o-r ${file}`);
    return new TextDecoder().decode(readAll(fd, MAX_BYTES[who], fs));
  });
}
