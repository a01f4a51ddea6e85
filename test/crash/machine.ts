/** A machine of one's own for tests: runs programs in a mount namespace in which /etc is another folder. Needs root. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BIN } from '../cli/run-cli.ts';
import { freshFolder } from '../fresh-folder.ts';

const KEPT = ['passwd', 'group', 'hosts', 'nsswitch.conf', 'resolv.conf', 'ld.so.cache', 'localtime'];

/** A folder to stand in for /etc, with this machine file; with an object it is written as JSON. */
export function etcWith(machine: object | string, mode = 0o644): string {
  const etc = join(freshFolder(), 'etc');
  mkdirSync(join(etc, 'kvdeploy'), { recursive: true, mode: 0o755 });
  for (const name of KEPT.filter((one) => existsSync(`/etc/${one}`))) copyFileSync(`/etc/${name}`, join(etc, name));
  const file = join(etc, 'kvdeploy/machine.json');
  writeFileSync(file, typeof machine === 'string' ? machine : `${JSON.stringify(machine)}\n`);
  execFileSync('chmod', [mode.toString(8), file]);
  return etc;
}

/** The words before a command that run it with that /etc. Nothing outside of it sees the mount. */
export function onMachine(etc: string): readonly string[] {
  return ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc && exec "$@"', etc];
}

/** A shell script that runs kvdeploy with these arguments on a machine with this machine file. */
export function onMachineWith(machine: object | string, args: readonly string[]): string {
  const [first = '', ...words] = [...onMachine(etcWith(machine)), process.execPath, BIN, ...args];
  return [first, ...words.map((word) => `'${word}'`)].join(' ');
}
