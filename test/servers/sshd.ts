/** A real sshd on loopback for one key, whose only command is break-glass.mjs at, on a host with an /etc of its own. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SshWay } from '../../src/base/at/at-way.ts';
import { etcWith, onMachine } from '../crash/machine.ts';
import { freePort, type Program, startProgram, tempFolder, until } from './program.ts';

export interface OtherHost {
  readonly way: SshWay;
  readonly folder: string;
  readonly machineFile: string;
  /** The processes that make changes and look there, one for each connection. */
  programs(): readonly number[];
  /** Its machine file from now on. */
  allow(machine: object): void;
  /** As a cut cable: sshd and all its connections stand still. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends sshd and all its connections; `start` brings it back. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Its command line; nothing where it has ended. */
function wordsOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

const PROGRAM = join(import.meta.dirname, '../../dist/break-glass.mjs');

/** Needs root: for the mount of /etc, and for sshd. */
export async function startOtherHost(machine: object = {}): Promise<OtherHost> {
  const { folder, remove } = tempFolder();
  const at = (name: string) => join(folder, name);
  for (const key of ['host', 'user']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at(key)]);
  mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  const etc = etcWith(machine);
  mkdirSync(at('home'));
  copyFileSync(PROGRAM, at('break-glass.mjs'));
  const words = [...onMachine(etc), 'env', `HOME=${at('home')}`, process.execPath, at('break-glass.mjs'), 'at'];
  const forced = words.map((word) => `'${word}'`).join(' ');
  writeFileSync(at('run'), `#!/bin/sh\nexec ${forced}\n`, { mode: 0o755 });
  writeFileSync(at('authorized'), `command="${at('run')}",restrict ${readFileSync(at('user.pub'), 'utf8')}`);
  writeFileSync(at('known'), `[127.0.0.1]:${port} ${readFileSync(at('host.pub'), 'utf8')}`);
  const config = {
    Port: port,
    ListenAddress: '127.0.0.1',
    HostKey: at('host'),
    AuthorizedKeysFile: at('authorized'),
    PidFile: at('sshd.pid'),
    StrictModes: 'no',
    UsePAM: 'no',
    PermitRootLogin: 'yes',
    PasswordAuthentication: 'no',
  };
  const lines = Object.entries(config).map(([key, value]) => `${key} ${value}`);
  writeFileSync(at('sshd_config'), `${lines.join('\n')}\n`);
  let sshd: Program;
  const start = async () => {
    sshd = await startProgram('sshd', ['-D', '-e', '-f', at('sshd_config')], folder);
    await until(
      () => `sshd to listen: ${sshd.output()}`,
      () => (sshd.output().includes('Server listening') ? true : undefined),
    );
  };
  /** sshd and every process below it. */
  const all = () => execFileSync('sh', ['-c', `ps -o pid= --ppid ${sshd.pid} || true`], { encoding: 'utf8' }).split('\n');
  const each = (signal: NodeJS.Signals) => {
    const children = all().flatMap((pid) => (pid.trim() === '' ? [] : [Number(pid)]));
    for (const pid of children)
      execFileSync('sh', ['-c', `pkill -${signal.slice(3)} -P ${pid}; kill -${signal.slice(3)} ${pid}; true`]);
  };
  await start();
  return {
    way: { ssh: 'root@127.0.0.1', port, key: at('user'), knownHosts: at('known') },
    folder,
    machineFile: join(etc, 'kvdeploy/machine.json'),
    programs: () =>
      readdirSync('/proc')
        .filter((pid) => /^\d+$/.test(pid) && wordsOf(pid).slice(0, 2).includes(at('break-glass.mjs')))
        .map(Number),
    allow: (wanted) => writeFileSync(join(etc, 'kvdeploy/machine.json'), `${JSON.stringify(wanted)}\n`),
    freeze: async () => {
      await sshd.signal('SIGSTOP');
      each('SIGSTOP');
    },
    thaw: async () => {
      each('SIGCONT');
      await sshd.signal('SIGCONT');
    },
    stop: async () => {
      each('SIGKILL');
      await sshd.signal('SIGKILL');
    },
    start,
    close: async () => {
      each('SIGKILL');
      await sshd.signal('SIGKILL');
      remove();
    },
  };
}
