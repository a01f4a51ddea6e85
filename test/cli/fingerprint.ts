/** What files and folders look like, to say afterwards whether anything was touched. Reads only. */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One line per file, folder and link below the given paths: mode, size, time of the last change, SHA-256. What differs was touched. */
export function fingerprint(...roots: readonly string[]): readonly string[] {
  return roots.flatMap((root) => (existsSync(root) ? below(root) : [`${root} is not there`]));
}

/** As `fingerprint`, without the times: a probe file that came and went is not a change. */
export function contents(...roots: readonly string[]): readonly string[] {
  return fingerprint(...roots).map((line) => line.replace(/^(\S+ \S+) \S+/, '$1'));
}

function below(file: string): string[] {
  const stat = lstatSync(file);
  const line = `${file} ${stat.mode.toString(8)} ${stat.mtimeMs}`;
  if (stat.isDirectory())
    return [
      line,
      ...readdirSync(file)
        .sort()
        .flatMap((name) => below(join(file, name))),
    ];
  return [`${line} ${stat.size} ${createHash('sha256').update(readFileSync(file)).digest('hex')}`];
}
