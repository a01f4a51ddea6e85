/** Finds a router that is installed here, and someone without rights to run it as. Must start no service and change nothing of the machine. */
import { spawnSync } from 'node:child_process';
import nodeFs, {
  accessSync,
  chownSync,
  constants,
  cpSync,
  lchownSync,
  readdirSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolders } from '../../base/durable/durable-file.ts';
import { KvdeployError } from '../../core/errors.ts';
import { SCOPE_NAME } from '../files.ts';
import type { Installed } from './edge.ts';

/** Where packages put them; Debian leaves these out of the PATH of everyone but root. */
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

/** The program of this kind and its version. Throws SYSTEM_ERROR where it is not there or does not start. */
export function installed(kind: Installed['kind']): Installed {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
  const found = [...path, ...FOLDERS].map((folder) => join(folder, kind)).find(isProgram);
  const how = `apt install ${kind} (Debian, Ubuntu), dnf install ${kind} (Fedora), brew install ${kind} (macOS)`;
  if (found === undefined)
    throw new KvdeployError('SYSTEM_ERROR', {
      message: `There is no ${kind} on this machine: not in PATH, nor in ${FOLDERS.join(', ')}.`,
      hint: `Install it: ${how}. The demo with the router that kvdeploy brings needs nothing: kvdeploy demo`,
    });
  const file = realpathSync(found);
  const { stdout, stderr, error } = spawnSync(file, ['-v'], { encoding: 'utf8', timeout: 10_000 });
  const version = /version:? (?:nginx\/)?(\d[\w.]*)/i.exec(`${stdout}${stderr}`)?.[1];
  if (version !== undefined) return { kind, file, version };
  throw new KvdeployError('SYSTEM_ERROR', {
    message: `${file} -v says no version of ${kind}: ${error?.message ?? `${stdout}${stderr}`.trim().slice(0, 200)}.`,
    hint: `Install ${kind} anew: ${how}.`,
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * A uid without an account, and different for each process: of root, only /etc/kvdeploy/machine.json would count, which is not the demo's to
 * write. The range is the one in which systemd gives out such uids.
 */
export function someoneElse(): number {
  return 61_184 + (process.pid % 4000);
}

/** Writes the machine file of a user other than root, without which kvdeploy runs no program of a router. */
export function allowPrograms(home: string, programs: readonly (readonly string[])[]): void {
  const file = join(home, '.config/kvdeploy/machine.json');
  makeFolders(dirname(file), nodeFs);
  writeFileSync(file, `${JSON.stringify({ targets: { [SCOPE_NAME]: { programs } } }, null, 2)}\n`, { mode: 0o600 });
}

/** Gives a folder and everything in it to this user. */
export function giveTo(user: number, folder: string): void {
  chownSync(folder, user, user);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) lchownSync(join(folder, name), user, user);
}

/** Copies kvdeploy to a folder, since root's own may be closed to others. Returns the program there. */
export function copyProgram(program: string, folder: string): string {
  const bin = dirname(realpathSync(program));
  for (const name of ['bin', 'dist', 'package.json']) cpSync(join(dirname(bin), name), join(folder, name), { recursive: true });
  return join(folder, 'bin/kvdeploy.js');
}

/** Throws SYSTEM_ERROR where that user cannot run Node in this folder. */
export function mustRunAs(user: number, folder: string): void {
  const looks = ['-e', 'require("node:fs").readdirSync(process.argv[1])', folder];
  const { status, error, stderr } = spawnSync(process.execPath, looks, {
    cwd: '/',
    uid: user,
    gid: user,
    env: {},
    encoding: 'utf8',
  });
  if (status === 0) return;
  throw new KvdeployError('SYSTEM_ERROR', {
    message: `Root’s demo starts everything as uid ${user}, who cannot run ${process.execPath} in ${folder}: ${error?.message ?? /^Error: (.*)$/m.exec(stderr)?.[1] ?? `exit ${status}`}.`,
    hint: 'Run it as another user than root, or in a folder that everyone may enter: TMPDIR=/var/tmp kvdeploy demo …',
  });
}
