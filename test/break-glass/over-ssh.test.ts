/** Break-glass with a location at another host: what a rehearsal may ask there, and which hosts a pointer that was tampered with can lead to. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SshWay } from '../../src/base/at/at-way.ts';
import { sshArgv } from '../../src/base/at/at-way.ts';
import { notAllowed, reachOf } from '../../src/base/owners/targets.ts';
import { decodePointer, encodePointer, type Pointer } from '../../src/base/pointer/pointer-format.ts';
import { bundle, freshFolder, GREEN, pointerOf, REASON, restoreOf, routesTo, runToEnd, stateWith } from './scene.ts';

/** Stands in for ssh on PATH: does as it is told in an empty machine, and writes down the order. */
const SSH = `#!${process.execPath}
const { appendFileSync } = require('node:fs');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, by, at, deed } = JSON.parse(line);
  appendFileSync(__dirname + '/orders', [by, at, deed.do].join(' ') + '\\n');
  const done = deed.do === 'check' ? { ok: true } : true;
  console.log(JSON.stringify({ id, nowMs: performance.now(), done }));
}).on('close', () => process.exit(0));
`;

const WAY: SshWay = { ssh: 'kv@10.0.0.2', port: 22, key: '/etc/kvdeploy/n2', knownHosts: '/etc/kvdeploy/known_hosts' };

describe('break-glass with another host', () => {
  let program: string;
  const shipped = freshFolder();
  beforeAll(async () => {
    program = await bundle(join(import.meta.dirname, '../../src/break-glass/main.ts'), shipped);
  });
  afterAll(() => fs.rmSync(shipped, { recursive: true, force: true }));

  /** Runs it, and returns what the other host was asked. */
  async function asked(...args: readonly string[]) {
    const folder = freshFolder();
    try {
      fs.writeFileSync(join(folder, 'ssh'), SSH, { mode: 0o755 });
      const { changes, checks } = routesTo('/srv/routes.json', 'green');
      const at = <T extends object>(all: readonly T[]) => all.map((one) => ({ ...one, at: 'n2' }));
      const knownGood = restoreOf(GREEN, { changes: at(changes), checks: at(checks), identity: [] });
      const state = join(folder, 'state');
      stateWith(state, [pointerOf({ knownGood, target: { questions: [], others: [], hosts: { n2: WAY } } })]);
      const argv = [process.execPath, program, '--state-dir', state, '--env', 'production', ...args];
      const ran = await runToEnd(argv, { env: { PATH: `${folder}:${process.env['PATH']}` } });
      const orders = fs.readFileSync(join(folder, 'orders'), 'utf8').trim().split('\n');
      return { ...ran, orders: [...new Set(orders)].sort() };
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  }

  it('a rehearsal asks another host whether it may, and changes nothing there', async () => {
    const { orders } = await asked('--rehearse');
    expect(orders).toEqual(['rescue n2 check', 'rescue n2 hello', 'rescue n2 may']);
  }, 30_000);

  it('a rescue changes at another host by orders that no hold stops', async () => {
    const { orders } = await asked('--reason', REASON, '--confirm', 'production');
    expect(orders).toEqual(['rescue n2 check', 'rescue n2 hello', 'rescue n2 make']);
  }, 30_000);
});

describe('the hosts of a pointer', () => {
  const reachTo = (way: SshWay) => reachOf({ changes: [], checks: [], identity: [], questions: [], hosts: { n2: way } });
  const listed = { targets: { 'acme/production/web': { programs: [sshArgv(WAY)] } } };
  const { port: _port, ...portless } = WAY;
  const { knownHosts: _knownHosts, ...hostless } = WAY;

  it.each<[string, SshWay]>([
    ['another host', { ...WAY, ssh: 'kv@10.0.0.3' }],
    ['another user', { ...WAY, ssh: 'root@10.0.0.2' }],
    ['another port', { ...WAY, port: 2222 }],
    ['the port left out', portless],
    ['another key', { ...WAY, key: '/home/me/.ssh/id_ed25519' }],
    ['other known hosts', { ...WAY, knownHosts: '/tmp/known_hosts' }],
    ['the known hosts left out', hostless],
  ])('a pointer that others could have written and that names %s is refused', (_name, way) => {
    expect(notAllowed(reachTo(WAY), listed, 'acme/production/web')).toBeUndefined();
    expect(notAllowed(reachTo(way), listed, 'acme/production/web')?.programs).toEqual([sshArgv(way)]);
  });

  it.each<[string, object]>([
    ['an option for a host', { ssh: '-oProxyCommand=id' }],
    ['an option behind the user', { ssh: 'kv@-oProxyCommand=id' }],
    ['a host with a line break', { ssh: 'kv@10.0.0.2\nProxyCommand id' }],
    ['a key that ssh would replace', { ssh: 'kv@10.0.0.2', key: '/${HOME}/key' }],
    ['two files of known hosts', { ssh: 'kv@10.0.0.2', knownHosts: '/etc/known /tmp/known' }],
    ['options of its own', { ssh: 'kv@10.0.0.2', options: ['-oProxyCommand=id'] }],
  ])('a pointer with %s is damaged', (_name, way) => {
    const target = { questions: [], others: [], hosts: { n2: way as SshWay } };
    const pointer = { ...pointerOf({ target }), generation: 1 } as Pointer;
    expect(() => decodePointer(encodePointer(pointer))).toThrow(/hosts\.n2/);
  });
});
