/** Another host over a real sshd: what it does, what its machine file and a hold there stop, and what is said when it is cut off. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replyTo } from '../../../src/base/at/at-host.ts';
import { elsewhereBy } from '../../../src/base/at/at-ssh.ts';
import { sshArgv } from '../../../src/base/at/at-way.ts';
import { NotAllowed } from '../../../src/base/changes/change.ts';
import { check } from '../../../src/base/changes/checks.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { mayMount } from '../../crash/mounts.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { type OtherHost, startOtherHost } from '../../servers/sshd.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'web' };

const may = mayMount('another host');

describe('another host over SSH', () => {
  let host: OtherHost;
  let file: string;
  const outside = () => ({ ...nodeOutside, elsewhere: elsewhereBy({ n2: host.way }, SCOPE, 'rollout') });
  const write = (content: string) => ({ kind: 'write-file', path: file, content, at: 'n2' }) as const;
  const always = () => undefined;

  beforeAll(async () => {
    if (!may) return;
    host = await startOtherHost();
    file = join(host.folder, 'split');
    host.allow({ targets: { 'acme/production/web': { files: [file], programs: [['/bin/echo', '{"a":"b"}']] } } });
  }, 60_000);
  afterAll(() => host?.close());

  it('another host makes a change and checks it, by the code that makes and checks here', async () => {
    if (!may) return;
    await make(write('one'), outside(), always);
    expect(readFileSync(file, 'utf8')).toBe('one');
    const wanted = { kind: 'file', path: file, content: 'one', at: 'n2' } as const;
    expect(await check(wanted, outside())).toEqual({ ok: true });
    expect(await check({ ...wanted, content: 'two' }, outside())).toMatchObject({ ok: false });
    const told = { kind: 'run', argv: ['/bin/echo', '{"a":"b"}'], json: ['a'], equals: 'b', timeoutMs: 2000, at: 'n2' } as const;
    expect(await check(told, outside())).toEqual({ ok: true });
  }, 60_000);

  it('another host does nothing that its own machine file does not list, and says which lines are missing', async () => {
    if (!may) return;
    const other = `${file}-other`;
    await expect(make({ ...write('x'), path: other }, outside(), always)).rejects.toThrow(
      new RegExp(
        `n2: the machine file of this host does not allow acme/production/web to touch .*${other}.*add to /etc/kvdeploy/machine.json there`,
      ),
    );
    expect(existsSync(other)).toBe(false);
    const program = { kind: 'run', argv: ['/bin/touch', other], timeoutMs: 2000, at: 'n2' } as const;
    await expect(make(program, outside(), always)).rejects.toThrow(/does not allow/);
    expect(existsSync(other)).toBe(false);
  }, 60_000);

  it('a change that is not allowed any more is not sent to another host', async () => {
    if (!may) return;
    await expect(make(write('late'), outside(), () => 'the claim is lost')).rejects.toBeInstanceOf(NotAllowed);
    expect(readFileSync(file, 'utf8')).toBe('one');
  }, 60_000);

  it('another host that stands still is unknown, and its late change is said to be unknown too', async () => {
    if (!may) return;
    await host.freeze();
    await expect(make(write('frozen'), outside(), always)).rejects.toThrow(/n2/);
    expect(await check({ kind: 'file', path: file, content: 'one', at: 'n2' }, outside())).toHaveProperty('unknown');
    await host.thaw();
    await expect
      .poll(() => make(write('thawed'), outside(), always).then(() => 'made', String), { timeout: 30_000 })
      .toBe('made');
  }, 90_000);

  it('another host that is gone is unknown, and reached again once it is back', async () => {
    if (!may) return;
    await host.stop();
    const gone = await check({ kind: 'file', path: file, content: 'one', at: 'n2' }, outside());
    expect(gone).toMatchObject({ unknown: expect.stringMatching(/n2: the connection ended/) });
    await host.start();
    await make(write('back'), outside(), always);
    expect(readFileSync(file, 'utf8')).toBe('back');
  }, 60_000);

  it('a host whose key is not known is not believed', async () => {
    if (!may) return;
    const empty = join(freshFolder(), 'known');
    writeFileSync(empty, '');
    const strange = { ...nodeOutside, elsewhere: elsewhereBy({ n2: { ...host.way, knownHosts: empty } }, SCOPE, 'rollout') };
    await expect(make(write('strange'), strange, always)).rejects.toThrow(/Host key verification failed/);
  }, 60_000);
});

describe('the argv of ssh', () => {
  it('ssh is given no config, no agent and no prompt, and the host after --', () => {
    const argv = sshArgv({ ssh: 'kv@10.0.0.12', port: 2222, key: '/etc/kvdeploy/key' });
    expect(argv.slice(0, 3)).toEqual(['ssh', '-F', 'none']);
    expect(argv.join(' ')).toContain('-o BatchMode=yes -o StrictHostKeyChecking=yes');
    expect(argv.slice(-3)).toEqual(['--', 'kv@10.0.0.12', 'kvdeploy-at']);
  });
});

describe('an order at the other host', () => {
  const host = { outside: nodeOutside, machine: () => ({}), holdDirs: () => [] as string[] };
  const order = (deed: object, more: object = {}) =>
    JSON.stringify({ formatVersion: 1, id: 7, scope: SCOPE, at: 'n2', by: 'rollout', deed, ...more });

  it.each([
    ['words', 'words', -1],
    ['another format', order({ do: 'hello' }, { formatVersion: 2 }), 7],
    ['an unknown deed', order({ do: 'shell', line: 'id' }), 7],
    ['an unknown key', order({ do: 'hello', more: 1 }), 7],
    [
      'a command that changes something',
      order({ do: 'socket', address: '/run/h.sock', line: 'show info; disable server a/b', timeoutMs: 1 }),
      7,
    ],
    ['two lines', order({ do: 'socket', address: '/run/h.sock', line: 'show info\ndisable server a/b', timeoutMs: 1 }), 7],
    ['a request that changes something', order({ do: 'http', asking: { method: 'POST', url: 'http://a/', timeoutMs: 1 } }), 7],
  ])('%s is no order', async (_name, line, id) => {
    expect(await replyTo(line, host)).toEqual({ id, failed: expect.stringContaining('does not understand the order') });
  });

  it('a hold at the other host stops a rollout there, and not a rescue', async () => {
    const dir = freshFolder();
    const path = join(dir, 'split');
    mkdirSync(join(dir, 'pointer'));
    writeFileSync(join(dir, 'pointer/hold'), 'held');
    const held = {
      outside: nodeOutside,
      machine: () => ({ targets: { 'acme/production/web': { files: [path] } } }),
      holdDirs: () => [join(dir, 'pointer')],
    };
    const deed = { do: 'make', change: { kind: 'write-file', path, content: 'x' } };
    expect(await replyTo(order(deed), held)).toEqual({ id: 7, held: expect.stringContaining('cannot be read') });
    expect(existsSync(path)).toBe(false);
    expect(await replyTo(order(deed, { by: 'rescue' }), held)).toEqual({ id: 7, done: true });
    expect(readFileSync(path, 'utf8')).toBe('x');
  });
});
