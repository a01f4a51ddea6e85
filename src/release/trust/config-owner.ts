/** Whose config is read when no one named it: git's rule of dubious ownership. Must not refuse a config that was named with --config. */
import { dirname, join } from 'node:path';
import { uidOf } from '../../base/owners/accounts.ts';
import { repositoryRoot } from '../../config/files.ts';
import { machineOf } from '../../config/machine.ts';
import type { LoadedConfig } from '../../config/settings.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';

/** What must belong to someone who is believed: the config, its folders, the manifests, and what makes a folder a checkout. */
function judgedPaths({ file, root, manifestsDir }: LoadedConfig, io: Io): readonly string[] {
  const repository = repositoryRoot(io.fs, root);
  return [file, dirname(file), root, manifestsDir, ...(repository === undefined ? [] : [repository, join(repository, '.git')])];
}

/**
 * Refuses a config that was found, not named, where it or its checkout belongs to neither root, this user, who called sudo, nor a
 * `configOwners` of the machine file. Throws CONFIG_NOT_OURS.
 */
export function assertConfigOwned(config: LoadedConfig, io: Io, user = process.geteuid?.()): void {
  if (user === undefined) return;
  const caller = user === 0 ? Number(io.env('SUDO_UID') || Number.NaN) : Number.NaN;
  const believed = new Set<number | undefined>([0, user, caller]);
  const strangers = judgedPaths(config, io).flatMap((path) => {
    const stat = io.fs.statSync(path, { throwIfNoEntry: false });
    return stat === undefined || believed.has(stat.uid) ? [] : [{ path, uid: stat.uid }];
  });
  if (strangers.length === 0) return;
  const listed = (machineOf(io).configOwners ?? []).map((account) => uidOf(account, io.fs));
  const stranger = strangers.find(({ uid }) => !listed.includes(uid));
  if (stranger === undefined) return;
  throw new KvdeployError('CONFIG_NOT_OURS', {
    message: `${stranger.path} belongs to user ${stranger.uid}, so the config ${config.file}, which no one named, is not used.`,
    hint: `If you trust it, name it: --config ${config.file}. Or list ${stranger.uid} under configOwners in /etc/kvdeploy/machine.json.`,
    places: [{ file: stranger.path }],
  });
}
