/**
 * Hosts of their own on one machine, each in namespaces: a network with an address, an /etc, processes, and a folder /mnt that no other host sees.
 * A switch in a namespace of its own joins them. Needs root. All of it hangs on processes that end with this one, so that the kernel takes it away even
 * where `close` is never called.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { etcWith } from '../crash/machine.ts';
import { tempFolder } from './program.ts';

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
  close(): Promise<void>;
}

/** True when this process may have hosts. Otherwise: fails under CI, and says what is left out elsewhere. */
export function mayHaveHosts(): boolean {
  try {
    run('unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc', 'ip', 'link', 'add', 'test', 'type', 'veth');
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.log(`SKIPPED hosts of their own: no namespaces here (${(error as Error).message.split('\n')[0]})`);
    return false;
  }
}

export async function openHosts(names: readonly string[]): Promise<Hosts> {
  const { folder, remove } = tempFolder();
  const spaces: Space[] = [];
  const outer = `kv${process.pid}`;
  const close = async () => {
    // The kernel does this too, but some time after the namespaces ended.
    run('sh', '-c', `ip link delete ${outer} 2>/dev/null || true`);
    await Promise.all(spaces.map((space) => space.end()));
    remove();
  };
  try {
    const hub = await openSpace('ip link add hub type bridge && ip link set hub up');
    spaces.push(hub);
    const net = freeNetwork();
    run('ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', 'out', 'netns', hub.pid);
    run('ip', 'address', 'add', `${net}.1/24`, 'dev', outer);
    run('ip', 'link', 'set', outer, 'up');
    hub.run('ip', 'link', 'set', 'out', 'master', 'hub', 'up');
    const hosts: Host[] = [];
    for (const [index, name] of names.entries()) {
      const own = join(folder, name);
      mkdirSync(join(own, 'home'), { recursive: true });
      const etc = etcWith({});
      // Without it, root counts as locked for sshd.
      writeFileSync(join(etc, 'shadow'), 'root:*:20000:0:99999:7:::\n');
      const space = await openSpace('mount --bind "$0" /etc && mount --bind "$1" /mnt', etc, own);
      spaces.push(space);
      const address = `${net}.${11 + index}`;
      // The number of a process in another namespace means nothing there.
      run(
        'nsenter',
        '--target',
        hub.pid,
        '--net',
        'ip',
        'link',
        'add',
        name,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        space.pid,
      );
      hub.run('ip', 'link', 'set', name, 'master', 'hub', 'up');
      space.run('ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
      space.run('ip', 'link', 'set', 'eth0', 'up');
      hosts.push({
        ...{ name, address, folder: own, inside: space.inside },
        allow: (machine) => writeFileSync(join(etc, 'kvdeploy/machine.json'), `${JSON.stringify(machine)}\n`),
        cut: () => hub.run('ip', 'link', 'set', name, 'down'),
        join: () => hub.run('ip', 'link', 'set', name, 'up'),
      });
    }
    return { hosts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Namespaces, by the process that keeps them: all others in them end with it. */
interface Space {
  readonly pid: string;
  readonly inside: readonly string[];
  run(...command: string[]): void;
  end(): Promise<void>;
}

async function openSpace(script: string, ...args: string[]): Promise<Space> {
  const namespaces = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const words = [
    '--pdeathsig',
    'KILL',
    ...namespaces,
    'sh',
    '-c',
    `ip link set lo up && ${script} && echo ready && exec sleep infinity`,
  ];
  const keeper: ChildProcess = spawn('setpriv', [...words, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(keeper, 'exit');
  await Promise.race([
    once(keeper.stdout ?? keeper, 'data'),
    ended.then(() => Promise.reject(new Error(`namespaces: ${script}`))),
  ]);
  const pid = readFileSync(`/proc/${keeper.pid}/task/${keeper.pid}/children`, 'utf8').trim();
  const inside = ['nsenter', '--target', pid, '--net', '--mount', '--pid'];
  return {
    pid,
    inside,
    run: (...command) => run(...inside, ...command),
    end: async () => {
      // unshare waits for the first process of the namespace, and that one for all others.
      if (keeper.exitCode === null) process.kill(Number(pid), 'SIGKILL');
      await ended;
    },
  };
}

function run(...[program = '', ...words]: string[]): void {
  execFileSync(program, words, { stdio: 'pipe', encoding: 'utf8' });
}

/** A network of 10.64.0.0/10 that this machine has no address in: by the pid, so that tests at the same time do not meet. */
function freeNetwork(): string {
  const taken = execFileSync('ip', ['-o', '-4', 'address'], { encoding: 'utf8' });
  for (let number = process.pid; ; number += 1) {
    const net = `10.${64 + (number % 64)}.${Math.floor(number / 64) % 256}`;
    if (!taken.includes(` ${net}.`)) return net;
  }
}
