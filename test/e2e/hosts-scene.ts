/** Three hosts with a router and two builds each, driven from the first one: sshd on the others, keys and state on the first one's disk. */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nginxConfig } from '../../src/routers/nginx/nginx-config.ts';
import { includeText } from '../../src/routers/nginx/nginx-include.ts';
import { type CliAnswer, type RunningCli, startCli } from '../cli/run-cli.ts';
import { type Host, openHosts } from '../servers/hosts.ts';
import { load } from '../servers/load.ts';
import { until } from '../servers/program.ts';
import {
  allowance,
  buildsText,
  forcedText,
  type Kind,
  routerArgv,
  routerSettings,
  routerText,
  SCOPE,
  sshdText,
} from './hosts-files.ts';
import { BUILDS, configText, writeCheckout } from './nginx-scene.ts';

export interface HostsSite {
  readonly n1: Host;
  readonly n2: Host;
  readonly n3: Host;
  /** kvdeploy on n1. */
  start(args: readonly string[]): RunningCli;
  run(args: readonly string[]): Promise<CliAnswer>;
  /** break-glass.mjs next to the pointer on n1. */
  rescue(args: readonly string[]): RunningCli;
  /** The build at this place on every host answers 500 to clients from now on, or is well. */
  setBad(place: 'blue' | 'green', isBad: boolean): void;
  /** The builds that this host answers with. */
  servedBy(host: Host): Promise<readonly string[]>;
  /** Runs it, and cuts n3 off after the change of n2 has begun, and before its own is sent. */
  cutInTheMiddle(what: () => RunningCli): Promise<CliAnswer>;
  clients(perSecond: number): { end(): Promise<void> };
  close(): Promise<void>;
}

const BREAK_GLASS = join(import.meta.dirname, '../../dist/break-glass.mjs');

/** Fixed, so that a bake ends soon. */
const GATES = '[{ name: errors, max: 5%, minRequests: 20 }]';

const LIMIT_MS = 90_000;

/** blue serves on all three; nothing is adopted. */
export async function openHostsSite(kind: Kind): Promise<HostsSite> {
  const { hosts, close } = await openHosts(['n1', 'n2', 'n3']);
  const [n1, n2, n3] = hosts;
  if (n1 === undefined || n2 === undefined || n3 === undefined) throw new Error('there are no three hosts');
  try {
    const far = Object.fromEntries(
      [n2, n3].map(({ name, address }) => [name, { ssh: `root@${address}`, key: '/mnt/user', knownHosts: '/mnt/known' }]),
    );
    const router = routerSettings(kind, { n1: 'local', ...far });
    for (const host of hosts) startRouter(host, kind, router);
    await openSsh(n1, [n2, n3]);
    writeCheckout(join(n1.folder, 'checkout'), configText(router, '/mnt/state-dir', { gates: GATES, patience: '6s' }));
    for (const { address } of hosts) await until(`${address} to serve`, () => servesBlue(address), 20_000);
  } catch (error) {
    await close();
    throw error;
  }
  const there = {
    via: [...n1.inside, '--wdns=/mnt/checkout'],
    env: { HOME: '/mnt/home', USER: 'tess' },
    timeoutMs: LIMIT_MS,
  };
  const start = (args: readonly string[]) => startCli(args, there);
  const bad = new Set<string>();
  return {
    ...{ n1, n2, n3, start, close },
    run: (args) => start(args).ended,
    rescue: (args) => startCli(args, { ...there, program: `/mnt/state-dir/${SCOPE}/pointer/break-glass.mjs` }),
    setBad: (place, isBad) => {
      if (isBad) bad.add(place);
      else bad.delete(place);
      for (const host of hosts) {
        writeFileSync(join(host.folder, 'builds.conf'), buildsText(bad));
        runIn(host, '/usr/sbin/nginx', '-c', '/mnt/builds.conf', '-p', '/mnt', '-s', 'reload');
      }
    },
    servedBy: async ({ address }) => {
      const { byBuild } = await load(`http://${address}:8080/`, { count: 40, keepAlive: false });
      return Object.keys(byBuild);
    },
    cutInTheMiddle: async (what) => {
      const [wait, waits] = [join(n2.folder, 'wait'), join(n2.folder, 'waits')];
      rmSync(waits, { force: true });
      writeFileSync(wait, '');
      const { stderr, ended } = what();
      await until(
        () => `the change at n2: ${stderr()}`,
        () => (existsSync(waits) ? true : undefined),
        20_000,
      );
      n3.cut();
      rmSync(wait);
      return ended;
    },
    clients: (perSecond) => {
      const enough = new AbortController();
      const options = { count: 1_000_000, perSecond, keepAlive: false, signal: enough.signal };
      const all = Promise.all(hosts.map(({ address }) => load(`http://${address}:8080/`, options)));
      return {
        end: async () => {
          enough.abort();
          await all;
        },
      };
    },
  };
}

function runIn({ inside: [program = '', ...words] }: Host, ...argv: readonly string[]): void {
  execFileSync(program, [...words, ...argv], { stdio: 'pipe' });
}

/** Ends with its host. */
function background({ inside: [program = '', ...words] }: Host, ...argv: readonly string[]): void {
  spawn(program, [...words, ...argv], { stdio: 'ignore' });
}

function startRouter(host: Host, kind: Kind, router: object): void {
  const at = (name: string) => join(host.folder, name);
  for (const dir of ['kvdeploy', 'builds']) mkdirSync(at(dir));
  host.allow({ targets: { [SCOPE]: allowance(kind) } });
  if (kind === 'nginx') {
    const { kind: _kind, ...settings } = router as { kind: Kind };
    writeFileSync(
      at('kvdeploy/web.conf'),
      includeText(nginxConfig.parse(settings), [{ place: 'blue', build: null, percent: 100 }]),
    );
  }
  writeFileSync(at(`${kind}.conf`), routerText(kind));
  writeFileSync(at('builds.conf'), buildsText(new Set()));
  background(host, '/usr/sbin/nginx', '-c', '/mnt/builds.conf', '-p', '/mnt');
  background(host, ...routerArgv(kind));
}

async function servesBlue(address: string): Promise<true | undefined> {
  const answer = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
  return answer?.headers.get('x-build-guid') === BUILDS.blue.guid ? true : undefined;
}

/** As docs/hosts.md says: a key whose only command is break-glass.mjs at, and the key of each host on n1. */
async function openSsh(n1: Host, others: readonly Host[]): Promise<void> {
  const newKey = (file: string) => execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  const user = join(n1.folder, 'user');
  newKey(user);
  mkdirSync('/run/sshd', { recursive: true });
  const known: string[] = [];
  for (const host of others) {
    const at = (name: string) => join(host.folder, name);
    newKey(at('host'));
    copyFileSync(BREAK_GLASS, at('break-glass.mjs'));
    writeFileSync(at('at'), forcedText(), { mode: 0o755 });
    writeFileSync(at('authorized'), `command="/mnt/at",restrict ${readFileSync(`${user}.pub`, 'utf8')}`);
    writeFileSync(at('sshd_config'), sshdText(host.address));
    known.push(`${host.address} ${readFileSync(at('host.pub'), 'utf8').trim()}\n`);
    background(host, '/usr/sbin/sshd', '-D', '-E', '/mnt/sshd.log', '-f', '/mnt/sshd_config');
    const said = () => (existsSync(at('sshd.log')) ? readFileSync(at('sshd.log'), 'utf8') : '');
    await until(
      () => `sshd of ${host.name}: ${said()}`,
      () => (said().includes('Server listening') ? true : undefined),
      20_000,
    );
  }
  writeFileSync(join(n1.folder, 'known'), known.join(''));
}
