/** The pointer on disk: its write protocol, its reader's rule, and everything that may be planted in its folder. */
import fs from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TableCheck } from '../../../src/base/changes/change.ts';
import { InDoubt, OWNER_ONLY } from '../../../src/base/durable/durable-file.ts';
import type { Fs } from '../../../src/base/durable/fs.ts';
import { copyPointer, placeRescue, readPointers, writePointer } from '../../../src/base/pointer/pointer.ts';
import { decodePointer, encodePointer, type Pointer, type Restore, sha256 } from '../../../src/base/pointer/pointer-format.ts';
import { canonical } from '../../../src/base/shape.ts';
import { BLUE, bundle, freshFolder, GREEN, pointerOf, restoreOf, runToEnd, SCOPE } from '../../break-glass/scene.ts';

let dir: string;
beforeEach(() => {
  dir = freshFolder();
});
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const nameOf = (generation: number) => `ptr.${String(generation).padStart(12, '0')}`;
const write = (over: Partial<Pointer> = {}, use: Fs = fs) => writePointer(dir, pointerOf(over), use, OWNER_ONLY);

/** node:fs with some functions replaced. */
function faulty(over: Partial<Fs>): Fs {
  return { ...fs, ...over } as Fs;
}

function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}

describe('writing', () => {
  it('a pointer is written call by call: file, bytes, fsync, read back, link, folder fsync, acknowledge, unlink', async () => {
    const program = join(dir, 'write.ts');
    const module = join(import.meta.dirname, '../../../src/base/pointer/pointer.ts');
    const pointer = JSON.stringify(pointerOf());
    fs.writeFileSync(
      program,
      `import fs from 'node:fs'; import { writePointer } from ${JSON.stringify(module)};
       fs.mkdirSync(${JSON.stringify(join(dir, 'p'))});
       const generation = writePointer(${JSON.stringify(join(dir, 'p'))}, ${pointer}, fs, { dir: 0o700, file: 0o600, gid: undefined });
       fs.writeSync(1, 'acknowledged ' + generation);`,
    );
    const out = join(dir, 'trace');
    const folder = join(dir, 'out');
    fs.mkdirSync(folder);
    const bundled = await bundle(program, folder);
    const calls = 'openat,write,pwrite64,pread64,read,fsync,fdatasync,link,linkat,rename,unlink,close';
    expect((await runToEnd(['strace', '-f', '-e', `trace=${calls}`, '-o', out, process.execPath, bundled])).stdout).toBe(
      'acknowledged 1',
    );
    const lines = fs.readFileSync(out, 'utf8').split('\n');
    const start = lines.findIndex((line) => line.includes('/p/.tmp.') && line.includes('O_CREAT'));
    expect(lines[start]).toMatch(/O_RDWR\|O_CREAT\|O_EXCL\|O_NOFOLLOW\|O_CLOEXEC, 0600\)/);
    const fd = /= (\d+)$/.exec(lines[start] ?? '')?.[1];
    const steps: string[] = [];
    let dirFd = 'none';
    for (const line of lines.slice(start)) {
      const opened =
        /openat\(.*\/p", O_RDONLY\|O_CLOEXEC\|O_DIRECTORY\) = (\d+)/.exec(line) ??
        /openat\(.*\/p", .*O_DIRECTORY.*= (\d+)/.exec(line);
      if (opened !== null) dirFd = opened[1] ?? dirFd;
      if (new RegExp(`(write|pwrite64)\\(${fd}, `).test(line) && !steps.includes('link')) steps.push('write');
      if (line.includes(`fsync(${fd})`) && !steps.includes('link')) steps.push('fsync');
      if (new RegExp(`pread64\\(${fd}, "\\{`).test(line)) steps.push('read back');
      if (/link(at)?\(.*\.tmp\..*ptr\.000000000001/.test(line)) steps.push('link');
      if (steps.includes('link') && line.includes(`fsync(${dirFd})`)) steps.push('fsync of the folder');
      if (line.includes('acknowledged 1')) steps.push('acknowledge');
      if (/unlink\(.*\.tmp\./.test(line)) steps.push('unlink');
    }
    expect(steps).toEqual(['write', 'fsync', 'read back', 'link', 'fsync of the folder', 'unlink', 'acknowledge']);
  });

  it('a pointer counts upwards, keeps ten generations, and leaves no temporary file', () => {
    for (let expected = 1; expected <= 13; expected += 1) expect(write()).toBe(expected);
    expect(fs.readdirSync(dir).sort()).toEqual(Array.from({ length: 10 }, (_, index) => nameOf(index + 4)));
    expect(fs.statSync(join(dir, nameOf(13))).mode & 0o777).toBe(0o600);
  });

  it('a pointer write never prunes a damaged generation: it is evidence', () => {
    write();
    fs.writeFileSync(join(dir, nameOf(1)), 'torn');
    for (let count = 0; count < 12; count += 1) write();
    expect(fs.readFileSync(join(dir, nameOf(1)), 'utf8')).toBe('torn');
    expect(fs.existsSync(join(dir, nameOf(2)))).toBe(false);
  });

  it('a new pointer goes above every generation of the copies, so that the highest is always the latest', () => {
    const copy = freshFolder();
    fs.writeFileSync(join(copy, nameOf(57)), 'damaged, but its number is taken');
    expect(writePointer(dir, pointerOf(), fs, OWNER_ONLY, [copy, join(copy, 'not-there')])).toBe(58);
    const { newest } = readPointers(dir, fs, SCOPE);
    copyPointer(copy, newest as Pointer, fs, OWNER_ONLY);
    copyPointer(copy, newest as Pointer, fs, OWNER_ONLY);
    expect(() => copyPointer(copy, { ...(newest as Pointer), rollout: 'other' }, fs, OWNER_ONLY)).toThrow(
      'contains a different pointer',
    );
    expect(readPointers(copy, fs, SCOPE).newest).toEqual(newest);
    fs.rmSync(copy, { recursive: true });
  });

  it('a pointer is written on after short writes, and what the disk did not keep is refused', () => {
    const short = faulty({
      writeSync: ((fd: number, data: Uint8Array, at: number) => fs.writeSync(fd, data, at, 1)) as Fs['writeSync'],
    });
    expect(write({}, short)).toBe(1);
    const lying = faulty({
      writeSync: ((_fd: number, _data: Uint8Array, _at: number, length: number) => length) as Fs['writeSync'],
    });
    expect(() => write({}, lying)).toThrow('does not contain what was written');
    expect(fs.readdirSync(dir)).toEqual([nameOf(1)]);
  });

  it('a pointer write fsyncs no file twice: one failure means a new file, a second one IN DOUBT', () => {
    let failures = 1;
    const fsyncSync = (fd: number) => (failures-- > 0 ? fail('EIO') : fs.fsyncSync(fd));
    expect(write({}, faulty({ fsyncSync }))).toBe(1);
    failures = 2;
    expect(() => write({}, faulty({ fsyncSync }))).toThrow(InDoubt);
    expect(fs.readdirSync(dir)).toEqual([nameOf(1)]);
  });

  it('a pointer write is in doubt when only its folder could not be flushed: the new generation is visible', () => {
    let calls = 0;
    const fsyncSync = (fd: number) => (++calls === 2 ? fail('EIO') : fs.fsyncSync(fd));
    expect(() => write({}, faulty({ fsyncSync }))).toThrow(/IN DOUBT/);
  });

  it('a pointer write on a full disk publishes nothing, and what was there is read', async () => {
    expect((await runToEnd(['mount', '-t', 'tmpfs', '-o', 'size=8k,mode=700', 'tmpfs', dir])).code).toBe(0);
    try {
      write();
      fs.writeFileSync(join(dir, 'filler'), 'x'.repeat(4096));
      expect(() => write({ rollout: 'r-2' })).toThrow(/ENOSPC|no more bytes/);
      expect(readPointers(dir, fs, SCOPE)).toMatchObject({ newest: { generation: 1 }, damaged: [], readable: true });
      await runToEnd(['mount', '-o', 'remount,ro', dir]);
      expect(() => write()).toThrow('EROFS');
      expect(readPointers(dir, fs, SCOPE).newest?.generation).toBe(1);
    } finally {
      await runToEnd(['umount', dir]);
    }
  });

  it('eight processes that write a pointer at once get a number each', async () => {
    const program = join(dir, 'many.ts');
    const module = join(import.meta.dirname, '../../../src/base/pointer/pointer.ts');
    const target = join(dir, 'p');
    fs.mkdirSync(target);
    fs.writeFileSync(
      program,
      `import fs from 'node:fs'; import { writePointer } from ${JSON.stringify(module)};
       const put = () => writePointer(${JSON.stringify(target)}, ${JSON.stringify(pointerOf())}, fs, { dir: 0o700, file: 0o600, gid: undefined });
       console.log(JSON.stringify(Array.from({ length: 5 }, put)));`,
    );
    const bundled = await bundle(program, dir);
    const runs = await Promise.all(Array.from({ length: 8 }, () => runToEnd([process.execPath, bundled])));
    const numbers = runs.flatMap(({ stdout }) => JSON.parse(stdout) as number[]);
    expect(new Set(numbers).size).toBe(40);
    // A writer that slept while its number was taken and pruned takes one more.
    const newest = Math.max(...numbers);
    expect(newest).toBeGreaterThanOrEqual(40);
    expect(readPointers(target, fs, SCOPE)).toMatchObject({ newest: { generation: newest }, damaged: [] });
  });

  it('a pointer write never acknowledges a number that was taken and pruned while the writer slept', () => {
    let slept = false;
    const linkSync = (from: fs.PathLike, to: fs.PathLike) => {
      if (!slept) {
        slept = true;
        for (let count = 0; count < 12; count += 1) write({ rollout: 'r-others' });
      }
      fs.linkSync(from, to);
    };
    expect(write({ rollout: 'r-sleeper' }, faulty({ linkSync }))).toBe(13);
    expect(readPointers(dir, fs, SCOPE).newest?.rollout).toBe('r-sleeper');
  });

  it('a pointer has the rescue program next to it, written only where it differs', () => {
    const source = join(dir, 'source.mjs');
    fs.writeFileSync(source, 'one');
    const path = placeRescue(dir, source, fs, OWNER_ONLY);
    const before = fs.statSync(path).ino;
    placeRescue(dir, source, fs, OWNER_ONLY);
    expect([fs.readFileSync(path, 'utf8'), fs.statSync(path).ino, fs.statSync(path).mode & 0o777]).toEqual([
      'one',
      before,
      0o600,
    ]);
    fs.writeFileSync(source, 'two');
    placeRescue(dir, source, fs, OWNER_ONLY);
    expect(fs.readFileSync(path, 'utf8')).toBe('two');
  });
});

describe('the format', () => {
  const whole = { ...pointerOf(), generation: 1 };

  it('a pointer is one line of canonical JSON and one with its checksum', () => {
    const [first, sum, rest] = encodePointer(whole).split('\n');
    expect(sum).toBe(`sha256:${sha256(first ?? '')}`);
    expect([rest, first]).toEqual(['', canonical(JSON.parse(first ?? ''))]);
    expect(decodePointer(encodePointer(whole))).toEqual(whole);
  });

  it('a pointer leaves out the oldest earlier builds when they do not fit, and refuses what never fits', () => {
    const big = (guid: string) =>
      restoreOf(guid, { changes: [{ kind: 'write-file', path: '/r', content: 'x'.repeat(320_000) }] });
    const encoded = encodePointer({ ...whole, knownGood: big(GREEN), earlier: [big(BLUE), big(BLUE), big(BLUE)] });
    expect(decodePointer(encoded).earlier).toHaveLength(2);
    const huge = restoreOf(GREEN, {
      changes: [1, 2, 3, 4].map((n) => ({ kind: 'write-file', path: `/${n}`, content: 'x'.repeat(320_000) })),
    });
    expect(() => encodePointer({ ...whole, knownGood: huge })).toThrow('more than 1048576 bytes');
  });

  const seal = (json: string) => `${json}\nsha256:${sha256(json)}\n`;
  const json = canonical(whole);
  it.each([
    ['an unknown field', seal(json.replace('"bad":[]', '"bad":[],"bbb":1')), 'unknown field bbb'],
    ['a repeated key', seal(json.replace('"bad":[]', '"bad":[],"bad":[]')), 'canonical'],
    ['another spelling', seal(json.replace('"bad":[]', '"bad": []')), 'canonical'],
    ['a later format', seal(json.replace('"formatVersion":2', '"formatVersion":3')), 'supports only formats 1 and 2'],
    ['keys of format 2 under the number 1', seal(json.replace('"formatVersion":2', '"formatVersion":1')), 'unknown field'],
    ['an address that is a name', seal(json.replace('"addresses":{}', '"addresses":{"a.test":["b.test"]}')), 'an IP address'],
    ['a name that climbs', seal(json.replace('"kv-gateway"', '"../x"')), 'pointer.scope.service'],
    ['an unknown kind of change', seal(json.replace('"kind":"run"', '"kind":"eval"')), 'kind must be'],
    ['no changes', seal(canonical({ ...whole, knownGood: restoreOf(GREEN, { changes: [] }) })), 'changes must be a list'],
    ['a fraction', seal(json.replace('"sequence":40', '"sequence":40.5')), 'sequence must be a whole number'],
    ['a GUID in capitals', seal(json.replace(GREEN, GREEN.toUpperCase())), 'guid'],
    ['a __proto__', seal(json.replace('"bad":[]', '"__proto__":{},"bad":[]')), '__proto__'],
    ['a third line', `${seal(json)}x`, 'two complete lines'],
    ['no last newline', seal(json).slice(0, -1), 'two complete lines'],
    ['null', seal('null'), 'supports only formats 1 and 2'],
    ['no JSON', seal('{'), 'JSON'],
  ])('a pointer with %s is refused', (_, encoded, why) => {
    expect(() => decodePointer(encoded)).toThrow(why);
  });

  const secret = { name: 'TOKEN', header: 'x-token', scheme: 'v1' };
  const asked = { url: 'https://10.0.0.1:8443/', header: 'x-build', equals: 'abc', timeoutMs: 100, at: 'fra-1' };
  const way = {
    ca: '/etc/ca.pem',
    serverName: 'green.internal',
    insecure: true,
    host: 'api',
    unixSocket: '/run/g.sock',
    proxyProtocol: 2,
  };
  const program = {
    kind: 'run',
    argv: ['/usr/bin/look'],
    stdin: '{}',
    json: ['build'],
    equals: 'abc',
    timeoutMs: 100,
    at: 'fra-1',
  };
  const EVERYTHING = {
    changes: [
      { kind: 'run', argv: ['/usr/bin/apply', '-f', '-'], stdin: 'kind: Service', timeoutMs: 100, at: 'fra-1' },
      {
        kind: 'request',
        method: 'POST',
        url: 'https://api.example/',
        expect: [200],
        timeoutMs: 100,
        at: 'fra-1',
        ca: '/etc/ca.pem',
        cert: '/etc/c.pem',
        key: '/etc/c.key',
        serverName: 'api.internal',
        secret,
      },
    ],
    checks: [
      { kind: 'http', ...asked, ...way, secret, times: 20, settleMs: 2000 },
      program,
      {
        kind: 'table',
        address: '/run/h.sock',
        command: 'show servers state',
        separator: ' ',
        where: {},
        key: 'srv_name',
        rows: {},
        groups: [{ keys: ['g1', 'g2'], columns: { weight: ['1'] } }],
        others: [],
        timeoutMs: 100,
        at: '/run/h.sock',
      },
    ],
    identity: [
      { kind: 'http', ...asked, ...way, secret, exact: true, environment: { header: 'x-env', equals: 'production' } },
      { ...program, exact: true, environment: { json: ['env'], equals: 'production' } },
    ],
  } as unknown as Partial<Restore>;
  const restored = restoreOf(GREEN, EVERYTHING);

  it('a pointer holds every way to ask and to be sure, and reads it as it was', () => {
    const pointer = { ...whole, knownGood: restored };
    expect(decodePointer(encodePointer(pointer))).toEqual(pointer);
  });

  type Parts = Record<'changes' | 'checks' | 'identity', readonly [object, object, object]>;
  const LEAVES: [string, (restore: Parts) => void, string][] = [
    [
      'a version of the PROXY protocol',
      ({ identity }) => Object.assign(identity[0], { proxyProtocol: 3 }),
      'proxyProtocol must be 1 or 2',
    ],
    ['a relative CA', ({ changes }) => Object.assign(changes[1], { ca: 'ca.pem' }), 'ca must be a string matching'],
    [
      'a socket path that the kernel cuts off',
      ({ checks }) => Object.assign(checks[0], { unixSocket: `/${'x'.repeat(107)}` }),
      'at most 107',
    ],
    [
      'a secret and its value',
      ({ checks }) => Object.assign(checks[0], { secret: { ...secret, value: 's3cret' } }),
      'unknown field value',
    ],
    ['an answer less than once', ({ checks }) => Object.assign(checks[0], { times: 0 }), 'times must be a whole number from 1'],
    [
      'settling without an end',
      ({ checks }) => Object.assign(checks[0], { settleMs: 1e9 }),
      'settleMs must be a whole number from 0 to 60000',
    ],
    ['an identity that settles', ({ identity }) => Object.assign(identity[0], { times: 2 }), 'unknown field times'],
    ['a program that says it nowhere', ({ checks }) => Object.assign(checks[1], { json: [] }), 'json must be a list'],
    ['a likeness instead of exactness', ({ identity }) => Object.assign(identity[0], { exact: false }), 'exact must be true'],
  ];
  it.each(LEAVES)('a pointer with %s is not one that break-glass knows', (_what, edit, why) => {
    const knownGood = structuredClone(restored);
    edit(knownGood as unknown as Parts);
    expect(() => decodePointer(seal(canonical({ ...whole, knownGood })))).toThrow(why);
  });

  it('a pointer for four thousand servers fits, and one for more rows than a table may have is refused', () => {
    const names = (count: number) => Array.from({ length: count }, (_, at) => `green-${at}`);
    const servers = (count: number) => {
      const commands = names(count).flatMap((name) => [
        `set server gateway/${name} weight 256`,
        `set server gateway/${name} state ready`,
      ]);
      const lines = Array.from({ length: Math.ceil(commands.length / 200) }, (_, at) => commands.slice(200 * at, 200 * (at + 1)));
      const keys = names(count);
      return restoreOf(GREEN, {
        changes: lines.map((line) => ({ kind: 'socket', address: '/run/h.sock', commands: line, timeoutMs: 2000 })),
        checks: [{ ...(restored.checks[2] as TableCheck), groups: [{ keys, columns: { weight: ['256'] } }] }],
        identity: keys.slice(0, 2000).map((_, at) => ({
          kind: 'http',
          url: `http://10.0.${at >> 8}.${at & 255}:8080/healthz`,
          header: 'x-build-guid',
          equals: GREEN,
          timeoutMs: 2000,
        })),
      });
    };
    const pointer = { ...whole, knownGood: servers(4000) };
    expect(decodePointer(encodePointer(pointer))).toEqual(pointer);
    expect(() => encodePointer({ ...whole, knownGood: servers(5000) })).toThrow('keys must be a list of 1 to 4096');
  });

  it('a pointer of format 1 is read as what it means in format 2', () => {
    const { target: _, addresses: __, ...rest } = whole;
    const socket = { kind: 'socket', address: '/run/haproxy.sock', commands: ['set weight gw/green 256'], timeoutMs: 2000 };
    const applied = {
      kind: 'http',
      url: 'http://127.0.0.1:8080/status',
      json: ['applied'],
      equals: 'green=100',
      timeoutMs: 2000,
    };
    const identity = { kind: 'http', url: 'http://127.0.0.1:9002/', header: 'x-build-guid', equals: GREEN, timeoutMs: 1000 };
    const { identity: ___, ...restore } = restoreOf(GREEN);
    const knownGood = { ...restore, changes: [socket], checks: [applied], identity };
    const old = { ...rest, formatVersion: 1, knownGood, earlier: [{ ...restore, identity: null }] };
    const read = decodePointer(seal(canonical(old)));
    expect(read).toMatchObject({ knownGood: { identity: [identity] }, earlier: [{ identity: [] }], addresses: {} });
    expect(read.target).toMatchObject({
      others: [],
      questions: [
        { address: '/run/haproxy.sock', command: 'show info' },
        { url: applied.url, json: ['scope', 'environment'] },
      ],
    });
    expect(decodePointer(encodePointer(read))).toEqual(read);
  });
});

describe('reading', () => {
  const FOREIGN = { ...SCOPE, environment: 'staging' };
  const damages: Record<string, (file: string, generation: number) => void> = {
    whole: () => {},
    truncated: (file) => fs.truncateSync(file, fs.statSync(file).size - 20),
    zeroed: (file) => fs.writeFileSync(file, Buffer.alloc(fs.statSync(file).size)),
    flipped: (file) => {
      const bytes = fs.readFileSync(file);
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      fs.writeFileSync(file, bytes);
    },
    foreign: (file, generation) => fs.writeFileSync(file, encodePointer({ ...pointerOf({ scope: FOREIGN }), generation })),
  };

  it('the highest good one of five generations is taken in all 3125 cases of damage, and the rest is reported', () => {
    const kinds = Object.keys(damages);
    const texts = kinds.map((kind) =>
      [1, 2, 3, 4, 5].map((generation) => {
        const file = join(dir, nameOf(generation));
        fs.writeFileSync(file, encodePointer({ ...pointerOf(), generation }));
        damages[kind]?.(file, generation);
        return fs.readFileSync(file);
      }),
    );
    let now: number[] = [];
    for (let number = 0; number < kinds.length ** 5; number += 1) {
      const next = [0, 1, 2, 3, 4].map((place) => Math.floor(number / kinds.length ** place) % kinds.length);
      for (const [index, kind] of next.entries()) {
        if (now[index] !== kind) fs.writeFileSync(join(dir, nameOf(index + 1)), texts[kind]?.[index] ?? '');
      }
      now = next;
      const good = next.flatMap((kind, index) => (kind === 0 ? [index + 1] : [])).reverse();
      const read = readPointers(dir, fs, SCOPE);
      expect(read.all.map((pointer) => pointer.generation)).toEqual(good);
      expect(read.newest?.generation).toBe(good[0]);
      expect(read.damaged).toHaveLength(5 - good.length);
    }
    expect(fs.readdirSync(dir)).toHaveLength(5);
  });

  it('a pointer is said to be "none" only for a folder that could be read', () => {
    expect(readPointers(dir, fs, SCOPE)).toEqual({
      newest: null,
      all: [],
      damaged: [],
      readable: true,
      exists: true,
      others: [],
    });
    expect(readPointers(join(dir, 'not-there'), fs, SCOPE)).toMatchObject({ newest: null, readable: false, exists: false });
    const denied = faulty({ readdirSync: (() => fail('EACCES')) as unknown as Fs['readdirSync'] });
    expect(readPointers(dir, denied, SCOPE)).toMatchObject({
      newest: null,
      readable: false,
      exists: true,
      damaged: [{ why: 'EACCES' }],
    });
  });

  it('a pointer in a folder that anyone can write into is refused', () => {
    write();
    fs.chmodSync(dir, 0o777);
    expect(readPointers(dir, fs, SCOPE)).toMatchObject({
      newest: null,
      readable: false,
      damaged: [{ why: 'any user can write to it' }],
    });
  });

  it('anything planted above a good generation is refused, without hanging', async () => {
    write();
    const good = join(dir, nameOf(1));
    const copy = (generation: number) => {
      const file = join(dir, nameOf(generation));
      fs.writeFileSync(file, encodePointer({ ...pointerOf(), generation }), { mode: 0o600 });
      return file;
    };
    fs.symlinkSync(good, join(dir, nameOf(2)));
    await runToEnd(['mkfifo', join(dir, nameOf(3))]);
    fs.mkdirSync(join(dir, nameOf(4)));
    const linked = copy(5);
    fs.linkSync(linked, join(dir, 'a'));
    fs.linkSync(linked, join(dir, 'b'));
    fs.chmodSync(copy(6), 0o666);
    fs.chownSync(copy(7), 4321, 4321);
    await runToEnd(['mknod', join(dir, nameOf(8)), 'c', '1', '5']);
    fs.copyFileSync(good, join(dir, nameOf(9)));
    fs.writeFileSync(join(dir, nameOf(10)), 'x'.repeat(1_100_000));
    const { newest, damaged } = readPointers(dir, fs, SCOPE);
    expect(newest?.generation).toBe(1);
    expect(damaged.map(({ why }) => why)).toEqual([
      'it has more than 1048576 bytes',
      'its content says generation 1',
      'it is not a regular file',
      'it belongs to user 4321',
      'any user can write to it',
      'it has 3 hard links',
      'it is not a regular file',
      'it is not a regular file',
      'it is a symlink',
    ]);
  });

  it('a pointer is read for the newest scope of all where none is asked for', () => {
    write();
    write({ scope: FOREIGN });
    expect(readPointers(dir, fs)).toMatchObject({
      newest: { scope: FOREIGN },
      damaged: [{ why: 'it belongs to acme/production/kv-gateway' }],
    });
  });
});

it('the program of version 0.1.0 refuses a pointer of format 2 by name, and reads its own', async () => {
  const fixture = new URL('../../../fixtures/state-0.1.0/', import.meta.url);
  const { decodePointer: read } = (await import(new URL('pointer-reader.mjs', fixture).href)) as {
    decodePointer(text: string): Pointer;
  };
  const own = new URL('made/state/acme/production/promoted/pointer/ptr.000000000001', fixture);
  expect(read(fs.readFileSync(own, 'utf8')).formatVersion).toBe(1);
  const written = encodePointer({ ...pointerOf(), generation: 5 });
  expect(() => read(written)).toThrow('its format is 2, but this program supports only format 1');
});
