/**
 * Hosts of their own on one machine: each a network and a mount namespace, with an address, an /etc, and a folder /mnt that no other host sees; all on
 * one bridge, which is the test's own. Needs root. Everything that it made is taken away by `close`.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { etcWith } from '../crash/machine.ts';
import { tempFolder, until } from './program.ts';

export interface Host {
  readonly name: string;
  readonly address: string;
  /** What is /mnt there. */
  readonly folder: string;
  /** The words before a command that run it there. */
  readonly inside: readonly string[];
  allow(machine: object): void;
  /** As a cable that is pulled out, and put in again. */
  cut(): void;
  join(): void;
}

export interface Hosts {
  readonly hosts: readonly Host[];
  /** The address of this machine, as the hosts see it. */
  readonly address: string;
  close(): void;
}

const run = (...[program = '', ...words]: string[]) => execFileSync(program, words, { stdio: 'pipe', encoding: 'utf8' });

/** A network that is no one else's: by the pid of the test, out of 10.64.0.0/10. */
const network = () => `10.${64 + (process.pid % 64)}.${Math.floor(process.pid / 64) % 256}`;

export async function openHosts(names: readonly string[]): Promise<Hosts> {
  const { folder, remove } = tempFolder();
  const prefix = network();
  const bridge = `kvb${process.pid % 100_000}`;
  run('ip', 'link', 'add', bridge, 'type', 'bridge');
  run('ip', 'address', 'add', `${prefix}.1/24`, 'dev', bridge);
  run('ip', 'link', 'set', bridge, 'up');
  const keepers: ChildProcess[] = [];
  const hosts: Host[] = [];
  for (const [index, name] of names.entries()) {
    const own = join(folder, name);
    mkdirSync(join(own, 'home'), { recursive: true });
    const etc = etcWith({});
    const script =
      'mount --make-rprivate / && mount --bind "$0" /etc && mount --bind "$1" /mnt && ip link set lo up && echo ready && exec sleep 100000';
    const keeper = spawn('unshare', ['--net', '--mount', '--kill-child', 'sh', '-c', script, etc, own], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    keepers.push(keeper);
    await new Promise<void>((resolve) => keeper.stdout?.once('data', () => resolve()));
    const pid = String(keeper.pid);
    const outer = `kv${process.pid % 100_000}-${index}`;
    const address = `${prefix}.${11 + index}`;
    const inside = ['nsenter', '--target', pid, '--net', '--mount'];
    run('ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid);
    run('ip', 'link', 'set', outer, 'master', bridge, 'up');
    run(...inside, 'ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
    run(...inside, 'ip', 'link', 'set', 'eth0', 'up');
    hosts.push({
      ...{ name, address, folder: own, inside },
      allow: (machine) => writeFileSync(join(etc, 'kvdeploy/machine.json'), `${JSON.stringify(machine)}\n`),
      cut: () => void run('ip', 'link', 'set', outer, 'down'),
      join: () => void run('ip', 'link', 'set', outer, 'up'),
    });
  }
  await until('the hosts to see this machine', () => {
    for (const { inside } of hosts) run(...inside, 'ip', 'route', 'get', `${prefix}.1`);
    return true;
  });
  return {
    hosts,
    address: `${prefix}.1`,
    close: () => {
      for (const keeper of keepers) keeper.kill('SIGKILL');
      run('ip', 'link', 'delete', bridge);
      remove();
    },
  };
}
