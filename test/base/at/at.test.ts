/** Another host over a real sshd: what it does, what its machine file and a hold there stop, and what is said when it is cut off. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elsewhereBy } from '../../../src/base/at/at-ssh.ts';
import { SSH_FILE, SSH_WAY, sshArgv } from '../../../src/base/at/at-way.ts';
import { NotAllowed } from '../../../src/base/changes/change.ts';
import { check } from '../../../src/base/changes/checks.ts';
import { make } from '../../../src/base/changes/make.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { mayMount } from '../../crash/mounts.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { type OtherHost, startOtherHost } from '../../servers/sshd.ts';
import { bundle } from '../../simulator/bundle.mjs';

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

  it('a change that a frozen host gets when it wakes is not made there any more', async () => {
    if (!may) return;
    await expect
      .poll(() => make(write('before'), outside(), always).then(() => 'made', String), { timeout: 30_000 })
      .toBe('made');
    // Only the program there stands still: the connection lives, and the order waits in its input.
    const [pid = 0] = host.programs();
    process.kill(pid, 'SIGSTOP');
    await expect(make(write('late'), outside(), always)).rejects.toThrow(/did not answer within \d+ ms; it is unknown/);
    process.kill(pid, 'SIGCONT');
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 30_000 }).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe('before');
  }, 90_000);

  it('a hold on the disk of another host stops a rollout there, and not a rescue', async () => {
    if (!may) return;
    const pointer = join(host.folder, 'home/.local/state/kvdeploy/acme/production/web/pointer');
    mkdirSync(pointer, { recursive: true });
    writeFileSync(join(pointer, 'hold'), 'held');
    await expect(make(write('held'), outside(), always)).rejects.toThrow(/n2 is held: /);
    const rescue = { ...nodeOutside, elsewhere: elsewhereBy({ n2: host.way }, SCOPE, 'rescue') };
    await make(write('rescued'), rescue, always);
    expect(readFileSync(file, 'utf8')).toBe('rescued');
    rmSync(pointer, { recursive: true });
    symlinkSync('pointer', pointer);
    // What cannot be looked into may have a hold.
    await expect(make(write('held'), outside(), always)).rejects.toThrow(/n2 is held: cannot check for a hold/);
    rmSync(pointer);
    await make(write('free'), outside(), always);
  }, 60_000);

  it.each([
    ['is not there', undefined, undefined],
    [
      'has an unknown key',
      { targets: {}, all: true },
      /machine file \/etc\/kvdeploy\/machine.json of this host does not count: .*all/,
    ],
    ['can be written by others', { targets: {} }, /does not count: .*write/],
  ])(
    'another host whose machine file %s does nothing',
    async (name, machine, why) => {
      if (!may) return;
      const before = readFileSync(file, 'utf8');
      if (machine === undefined) rmSync(host.machineFile);
      else host.allow(machine);
      if (name.startsWith('can')) chmodSync(host.machineFile, 0o666);
      await expect(make(write('none'), outside(), always)).rejects.toThrow(why ?? /does not allow acme\/production\/web/);
      expect(readFileSync(file, 'utf8')).toBe(before);
      rmSync(host.machineFile, { force: true });
      host.allow({ targets: { 'acme/production/web': { files: [file] } } });
      await make(write('again'), outside(), always);
    },
    60_000,
  );

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
    await expect(make(write('strange'), strange, always)).rejects.toThrow(/Host key verification failed.*compare it there/);
    const other = join(freshFolder(), 'other');
    writeFileSync(
      other,
      readFileSync(host.way.knownHosts ?? '', 'utf8').replace(/AAAA\S+/, () => publicKey()),
    );
    const changed = { ...nodeOutside, elsewhere: elsewhereBy({ n2: { ...host.way, knownHosts: other } }, SCOPE, 'rollout') };
    await expect(make(write('changed'), changed, always)).rejects.toThrow(/Host key verification failed.*compare it there/);
    expect(readFileSync(file, 'utf8')).not.toMatch(/strange|changed/);
  }, 60_000);

  it('a key that any user can read, or that is missing, is named with what to do', async () => {
    if (!may) return;
    const folder = freshFolder();
    const open = join(folder, 'open');
    writeFileSync(open, readFileSync(host.way.key ?? ''), { mode: 0o644 });
    const by = (key: string) => ({ ...nodeOutside, elsewhere: elsewhereBy({ n2: { ...host.way, key } }, SCOPE, 'rollout') });
    await expect(make(write('x'), by(open), always)).rejects.toThrow(`chmod 0600 ${open}`);
    await expect(make(write('x'), by(join(folder, 'none')), always)).rejects.toThrow(/none not accessible.*authorized_keys/);
  }, 60_000);

  it.each(['SIGKILL', 'SIGINT', undefined] as const)(
    'no ssh is left when its program ends (by %s)',
    async (signal) => {
      if (!may) return;
      const folder = freshFolder();
      const key = join(folder, 'key');
      writeFileSync(key, readFileSync(host.way.key ?? ''), { mode: 0o600 });
      const program = join(folder, 'asks.mjs');
      await bundle('test/base/at/asks.ts', program);
      const stays = signal === undefined ? 'ends' : 'stays';
      const child = spawn(process.execPath, [program, JSON.stringify({ ...host.way, key }), file, stays], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'close');
      await once(child.stdout, 'data');
      if (signal !== undefined) {
        expect(withWord(key)).toHaveLength(1);
        child.kill(signal);
      }
      await ended;
      await expect.poll(() => withWord(key), { timeout: 20_000 }).toEqual([]);
      await expect.poll(() => host.programs().length, { timeout: 20_000 }).toBeLessThan(2);
    },
    60_000,
  );
});

/** A new public key, as it stands in known_hosts. */
function publicKey(): string {
  const file = join(freshFolder(), 'key');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
  return readFileSync(`${file}.pub`, 'utf8').split(' ')[1] ?? '';
}

/** The processes with this word on their command line, and what they are. */
function withWord(word: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words[0] === 'ssh' && words.includes(word);
    } catch {
      return false;
    }
  });
}

describe('the argv of ssh', () => {
  it('ssh is given no config, no agent and no prompt, and the host after --', () => {
    const argv = sshArgv({ ssh: 'kv@10.0.0.12', port: 2222, key: '/etc/kvdeploy/key' });
    expect(argv.slice(0, 3)).toEqual(['ssh', '-F', 'none']);
    expect(argv.join(' ')).toContain('-o BatchMode=yes -o StrictHostKeyChecking=yes');
    expect(argv.slice(-3)).toEqual(['--', 'kv@10.0.0.12', 'kvdeploy-at']);
  });

  it.each([
    'kv@-oProxyCommand=id',
    '-oProxyCommand=id@10.0.0.1',
    '10.0.0.1',
    'kv@10.0.0.1 id',
    'kv@10.0.0.1\n',
    'kv@ho$(id)st',
    'kv@[::1]',
    '-kv@10.0.0.1',
    'kv@a/b',
  ])('ssh is never given the host %j', (ssh) => {
    expect(SSH_WAY.test(ssh)).toBe(false);
  });

  it.each(['kv@10.0.0.12', 'kv@fe80::1', 'kv-2@n2.example.com', '_kv@n2'])('ssh can be given the host %s', (ssh) => {
    expect(SSH_WAY.test(ssh)).toBe(true);
  });

  it.each(['/a b', '/a\tb', '/a\nb', '/%h', '/${HOME}/key', '/a"b', "/a'b", 'a', '-oX'])(
    'ssh is never given the file %j',
    (file) => {
      expect(SSH_FILE.test(file)).toBe(false);
    },
  );
});
