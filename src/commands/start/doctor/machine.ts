/** What `doctor` says about this machine and the files of the repository. Reads only. */
import { uidOf } from '../../../base/owners/accounts.ts';
import { MACHINE_FILE, readMachine } from '../../../base/owners/machine-file.ts';
import { loadManifests } from '../../../config/load.ts';
import type { LoadedConfig } from '../../../config/settings.ts';
import type { KvdeployError } from '../../../core/errors.ts';
import type { Io } from '../../../io.ts';
import type { Deps } from '../../../release/deps.ts';
import { type DoctorCheck, fail, ok, warn } from './check.ts';

/** Settings that reach into every Node process, and what each does. */
const REACHING = {
  NODE_EXTRA_CA_CERTS: 'makes every start slower, and trusts the certificates in that file',
  NODE_OPTIONS: 'changes how every Node program runs, including the rescue program',
  LD_PRELOAD: 'loads other code into every program',
} as const;

export function machineChecks(io: Io): readonly DoctorCheck[] {
  const node = ok('node', `Node ${process.versions.node} at ${process.execPath}`);
  const set = Object.entries(REACHING).filter(([name]) => (io.env(name) ?? '') !== '');
  const found = set.map(([name, what]) =>
    warn('environment', `${name} is set: it ${what}`, `Unset ${name} where kvdeploy runs, unless you need it.`),
  );
  if (io.env('NODE_TLS_REJECT_UNAUTHORIZED') === '0')
    found.push(
      fail(
        'environment',
        'NODE_TLS_REJECT_UNAUTHORIZED=0 disables all certificate checks',
        'Unset it: no command that moves traffic starts with it. For a private CA, use NODE_EXTRA_CA_CERTS.',
      ),
    );
  const names = [...Object.keys(REACHING), 'NODE_TLS_REJECT_UNAUTHORIZED'].join(', ');
  return [node, machineFileCheck(io), ...(found.length > 0 ? found : [ok('environment', `none of ${names} is set`)])];
}

/** A machine file that does not count stops every command but this one and break-glass. */
function machineFileCheck(io: Io): DoctorCheck {
  const name = 'machine file';
  const { files, broken, machine } = readMachine({ HOME: io.env('HOME') }, io.fs);
  const [first] = broken;
  const unknown = [...(machine.stateOwners ?? []), ...(machine.configOwners ?? [])].find(
    (one) => uidOf(one, io.fs) === undefined,
  );
  if (first !== undefined) return fail(name, `${first.file} does not count: ${first.why}`, first.fix);
  if (unknown !== undefined)
    return warn(
      name,
      `it names ${unknown}, which /etc/passwd does not have, so it believes no one by it`,
      'Give the number of the account (id -u).',
    );
  return ok(
    name,
    files.length === 0
      ? `there is none (${MACHINE_FILE}); needed only for a state of several users, and for programs`
      : files.join(' and '),
  );
}

export async function fileChecks(
  config: LoadedConfig | null,
  why: KvdeployError | null,
  deps: Deps,
): Promise<readonly DoctorCheck[]> {
  if (config === null)
    return [fail('config', why?.message ?? 'there is no pointer', `${why?.hint ?? ''} Rollback works without one.`.trim())];
  const services = `${config.services.length} service${config.services.length === 1 ? '' : 's'}`;
  const { manifests, findings } = await loadManifests(config, config.manifestsDir, deps.io);
  const first = findings[0];
  const checked = `${manifests.length} read below ${config.manifestsDir}`;
  return [
    ok('config', `${config.file} loads: ${services}`),
    first === undefined
      ? ok('manifests', `${checked}, each valid and consistent with the others`)
      : fail(
          'manifests',
          `${findings.length} finding${findings.length === 1 ? '' : 's'}, the first at ${first.file}:${first.line}: ${first.message}`,
          'See all of them with their fixes: kvdeploy validate',
        ),
  ];
}
