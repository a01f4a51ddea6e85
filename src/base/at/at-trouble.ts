/** What ssh itself says where it cannot connect, in words for people. No I/O. */
import { safeLine } from '../text.ts';
import type { SshWay } from './at-way.ts';

const CURES = [
  [
    /host key verification failed/i,
    ({ knownHosts = '~/.ssh/known_hosts' }) =>
      `its key is not the one in ${knownHosts}: compare it there, and replace it only then`,
  ],
  [/too open|bad permissions/i, ({ key = 'the key' }) => `only its owner may read it: chmod 0600 ${key}`],
  [/permission denied \(/i, ({ ssh }) => `the public key must stand in authorized_keys of ${ssh}, see docs/hosts.md`],
] as const satisfies readonly (readonly [RegExp, (way: SshWay) => string])[];

/** What ssh wrote before it ended, on one line, and what to do about it. Its banners of `@` and the host's own are left out. */
export function sshTrouble(said: string, way: SshWay): string {
  const lines = said.split(/[\r\n]+/).filter((line) => /[^@\s]/.test(line));
  if (lines.length === 0) return '';
  const cure = CURES.find(([words]) => words.test(said))?.[1](way);
  return `: ${safeLine(lines.slice(-3).join('; ').slice(-300))}${cure === undefined ? '' : ` (${cure})`}`;
}
