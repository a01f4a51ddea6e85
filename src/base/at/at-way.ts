/** How another host is reached over SSH. No I/O. */

/** `kv@10.0.0.12`, its port, and the file with the private key; without one, the keys that ssh looks for in ~/.ssh. */
export interface SshWay {
  readonly ssh: string;
  readonly port?: number;
  readonly key?: string;
  /** The file with the host's key; without one, ~/.ssh/known_hosts and that of the machine. */
  readonly knownHosts?: string;
}

/** A user and a host: nothing that ssh could take for an option. It takes an IPv6 address without brackets. */
export const SSH_WAY = /^[a-z_][a-z0-9_-]{0,31}@(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9A-Fa-f:]+)$/;

/** A file that ssh takes as it stands: spaces would make several of it, `%` and `$` are replaced, and it unquotes the rest (ssh_config(5)). */
export const SSH_FILE = /^\/[^\0\s"'\\%$]{1,4095}$/;

/**
 * The argv of ssh: no config of the user's, no agent, no prompt, known host keys only, of which it learns none. What the other side runs is its
 * forced command.
 */
export function sshArgv({ ssh, port, key, knownHosts }: SshWay): readonly string[] {
  const options = {
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    ConnectTimeout: '5',
    ServerAliveInterval: '2',
    ServerAliveCountMax: '2',
    ClearAllForwardings: 'yes',
    ControlMaster: 'no',
    ControlPath: 'none',
  };
  return [
    ...['ssh', '-F', 'none', '-T', '-x', '-a'],
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(key === undefined ? [] : ['-i', key, '-o', 'IdentitiesOnly=yes']),
    ...(knownHosts === undefined ? [] : ['-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'GlobalKnownHostsFile=none']),
    ...['--', ssh, 'kvdeploy-at'],
  ];
}
