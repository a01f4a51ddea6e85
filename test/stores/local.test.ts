import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../src/core/ledger/ledger.ts';
import { type Io, nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { isRoot } from '../as-root.ts';
import { machineFs } from '../base/owners/lying-fs.ts';
import { freshFolder } from '../fresh-folder.ts';
import { storeContract } from './contract.ts';
import { claimedBy, ledgerDir, note, notes, RELEASED, SCOPE } from './entries.ts';

const A = nodeIo.self();

storeContract('local', () => {
  const dir = freshFolder();
  return [localStore(dir, nodeIo), localStore(dir, nodeIo)];
});

/** A real fs, with some functions replaced. */
function ioWith(fs: Partial<Io['fs']>): Io {
  return { ...nodeIo, fs: { ...nodeIo.fs, ...fs } };
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: from the test`), { code });
}

async function claimed(dir: string, io = nodeIo) {
  const store = localStore(dir, io);
  expect(await store.append(SCOPE, 1, claimedBy(A))).toBe('ok');
  return store;
}

describe('a torn tail', () => {
  it('a last line torn at any byte is put aside by the next claim, which works unaided', async () => {
    const first = freshFolder();
    const store = await claimed(first);
    await store.append(SCOPE, 2, note('stays'));
    const before = readFileSync(join(ledgerDir(first), '0001.jsonl'));
    await store.append(SCOPE, 3, note('torn'));
    const bytes = readFileSync(join(ledgerDir(first), '0001.jsonl'));
    for (let kept = before.length; kept < bytes.length; kept += 1) {
      const dir = freshFolder();
      mkdirSync(ledgerDir(dir), { recursive: true, mode: 0o700 });
      writeFileSync(join(ledgerDir(dir), '0001.jsonl'), bytes.subarray(0, kept), { mode: 0o600 });
      const next = localStore(dir, nodeIo);
      const torn = bytes.subarray(before.length, kept);
      expect((await next.read(SCOPE)).tornBytes).toBe(torn.length);
      await next.fence(SCOPE, 1);
      expect(await next.append(SCOPE, 3, claimedBy(A))).toBe('ok');
      const { entries, tornBytes } = await next.read(SCOPE);
      expect([notes(entries), tornBytes, entries[2]?.after]).toEqual([
        ['stays'],
        0,
        { segment: 1, bytes: before.length, sha256: entries[2]?.prev, torn: torn.length },
      ]);
      if (torn.length > 0) expect(readFileSync(join(ledgerDir(dir), '0001.torn'))).toEqual(torn);
    }
  });
});

describe('a damaged ledger', () => {
  it('a damaged ledger is not read, claimed or fenced, and the error names file and line', async () => {
    const dir = freshFolder();
    const store = await claimed(dir);
    await store.append(SCOPE, 2, note('one'));
    await store.append(SCOPE, 3, note('two'));
    const file = join(ledgerDir(dir), '0001.jsonl');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"one"', '"won"'));
    const expected = { code: 'LEDGER_DAMAGED', places: [{ file, line: 2 }] };
    const other = localStore(dir, nodeIo);
    await expect(other.read(SCOPE)).rejects.toMatchObject(expected);
    await expect(other.fence(SCOPE, 1)).rejects.toMatchObject(expected);
    await expect(other.append(SCOPE, 4, claimedBy(A))).rejects.toMatchObject(expected);
  });

  it('a ledger whose accepted part was cut is damaged', async () => {
    const dir = freshFolder();
    const store = await claimed(dir);
    await store.append(SCOPE, 2, note('one'));
    await store.append(SCOPE, 3, RELEASED);
    await localStore(dir, nodeIo).append(SCOPE, 4, claimedBy(A));
    const file = join(ledgerDir(dir), '0001.jsonl');
    truncateSync(file, statSync(file).size - 10);
    await expect(store.read(SCOPE)).rejects.toMatchObject({ code: 'LEDGER_DAMAGED' });
  });
});

describe('a ledger that a newer kvdeploy wrote', () => {
  it('a ledger of a newer kvdeploy is not read, claimed or fenced, says so, and is not called damaged', async () => {
    const dir = freshFolder();
    const store = await claimed(dir);
    await store.append(SCOPE, 2, RELEASED);
    await store.append(SCOPE, 3, claimedBy(A));
    const file = join(ledgerDir(dir), '0002.jsonl');
    const claim = { ...JSON.parse(readFileSync(file, 'utf8')), formatVersion: FORMAT_VERSION + 1, evidence: [] };
    writeFileSync(file, `${JSON.stringify(claim)}\n`);
    const expected = { code: 'LEDGER_NEWER', exitCode: 3, message: expect.stringMatching(/written by a newer kvdeploy/) };
    const other = localStore(dir, nodeIo);
    await expect(other.read(SCOPE)).rejects.toMatchObject({ ...expected, places: [{ file, line: 1 }] });
    await expect(other.fence(SCOPE, 3)).rejects.toMatchObject(expected);
    await expect(other.append(SCOPE, 4, claimedBy(A))).rejects.toMatchObject(expected);
    expect(readdirSync(ledgerDir(dir)).sort()).toEqual(['0001.jsonl', '0002.jsonl']);
  });

  it('each claim in the ledger says the format version of its segment', async () => {
    const dir = freshFolder();
    await claimed(dir);
    expect(JSON.parse(readFileSync(join(ledgerDir(dir), '0001.jsonl'), 'utf8')).formatVersion).toBe(FORMAT_VERSION);
  });
});

describe('a write that fails', () => {
  it('a full disk that took half of a line is no doubt: the half is taken off, and the next append works', async () => {
    const dir = freshFolder();
    let full = false;
    const io = ioWith({
      writeSync: ((fd: number, bytes: Buffer, offset: number, length: number) => {
        if (full && offset > 0) throw systemError('ENOSPC');
        return nodeIo.fs.writeSync(fd, bytes, offset, full ? length >> 1 : length);
      }) as Io['fs']['writeSync'],
    });
    const store = await claimed(dir, io);
    full = true;
    await expect(store.append(SCOPE, 2, note('too much'))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    full = false;
    expect(await store.append(SCOPE, 2, note('again'))).toBe('ok');
    expect(notes((await localStore(dir, nodeIo).read(SCOPE)).entries)).toEqual(['again']);
  });

  it.each(['fsyncSync', 'short'])('a write failing midway (%s) leaves its process in doubt: it appends no more', async (how) => {
    const dir = freshFolder();
    let broken = false;
    const io = ioWith({
      fsyncSync: (fd) => {
        if (broken && how === 'fsyncSync') throw systemError('EIO');
        nodeIo.fs.fsyncSync(fd);
      },
      writeSync: ((fd: number, bytes: Buffer, offset: number, length: number) => {
        if (!broken || how !== 'short') return nodeIo.fs.writeSync(fd, bytes, offset, length);
        if (offset > 0) throw systemError('EIO');
        return nodeIo.fs.writeSync(fd, bytes, 0, length >> 1);
      }) as Io['fs']['writeSync'],
    });
    const store = await claimed(dir, io);
    broken = true;
    await expect(store.append(SCOPE, 2, note('in doubt'))).rejects.toMatchObject({ code: 'IN_DOUBT' });
    broken = false;
    await expect(store.append(SCOPE, 2, note('again'))).rejects.toMatchObject({ code: 'IN_DOUBT' });
    expect(store.owns(SCOPE)).toBe(false);
    const next = localStore(dir, nodeIo);
    await next.fence(SCOPE, 1);
    const seq = (await next.read(SCOPE)).entries.length + 1;
    expect(await next.append(SCOPE, seq, claimedBy(A))).toBe('ok');
  });

  it('a ledger write that fails before its first byte changes nothing, and may be tried again', async () => {
    const dir = freshFolder();
    let full = false;
    const io = ioWith({
      writeSync: ((fd: number, bytes: Buffer, offset: number, length: number) => {
        if (full) throw systemError('ENOSPC');
        return nodeIo.fs.writeSync(fd, bytes, offset, length);
      }) as Io['fs']['writeSync'],
    });
    const store = await claimed(dir, io);
    full = true;
    await expect(store.append(SCOPE, 2, note('full'))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    await expect(localStore(freshFolder(), io).append(SCOPE, 1, claimedBy(A))).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE',
    });
    full = false;
    expect(await store.append(SCOPE, 2, note('room again'))).toBe('ok');
    expect(notes((await store.read(SCOPE)).entries)).toEqual(['room again']);
  });

  it('a ledger write in short counts is finished, not cut', async () => {
    const io = ioWith({
      writeSync: ((fd: number, bytes: Buffer, offset: number, length: number) =>
        nodeIo.fs.writeSync(fd, bytes, offset, Math.min(length, 7))) as Io['fs']['writeSync'],
    });
    const store = await claimed(freshFolder(), io);
    expect(await store.append(SCOPE, 2, note('in sevens'))).toBe('ok');
    expect(notes((await store.read(SCOPE)).entries)).toEqual(['in sevens']);
  });

  it('a claim whose fsync fails once gets a new file; one whose fsync fails twice is in doubt', async () => {
    let failures = 1;
    const io = ioWith({
      fsyncSync: (fd) => {
        if (!nodeIo.fs.fstatSync(fd).isDirectory() && failures-- > 0) throw systemError('EIO');
        nodeIo.fs.fsyncSync(fd);
      },
    });
    const dir = freshFolder();
    await claimed(dir, io);
    expect(failures).toBeLessThan(0);
    failures = 2;
    await expect(localStore(freshFolder(), io).append(SCOPE, 1, claimedBy(A))).rejects.toMatchObject({ code: 'IN_DOUBT' });
    expect(readdirSync(ledgerDir(dir))).toEqual(['0001.jsonl']);
  });

  it('a claim that is linked but cannot be opened is in doubt', async () => {
    let linked = false;
    const io = ioWith({
      linkSync: (from, to) => {
        nodeIo.fs.linkSync(from, to);
        linked = true;
      },
      openSync: (path, flags, mode) => {
        if (linked && String(path).endsWith('0001.jsonl')) throw systemError('EMFILE');
        return nodeIo.fs.openSync(path, flags, mode);
      },
    });
    const store = localStore(freshFolder(), io);
    await expect(store.append(SCOPE, 1, claimedBy(A))).rejects.toMatchObject({ code: 'IN_DOUBT' });
    expect(store.owns(SCOPE)).toBe(false);
  });

  it('a claim whose folder cannot be synced is in doubt', async () => {
    let linked = false;
    const io = ioWith({
      linkSync: (from, to) => {
        nodeIo.fs.linkSync(from, to);
        linked = true;
      },
      fsyncSync: (fd) => {
        if (linked) throw systemError('EIO');
        nodeIo.fs.fsyncSync(fd);
      },
    });
    await expect(localStore(freshFolder(), io).append(SCOPE, 1, claimedBy(A))).rejects.toMatchObject({ code: 'IN_DOUBT' });
  });

  it('a ledger file that reads back differently never counts as written', async () => {
    const io = ioWith({
      writeSync: ((fd: number, bytes: Buffer, offset: number, length: number) => {
        const other = Buffer.from(bytes);
        other[offset] = 0x20;
        return nodeIo.fs.writeSync(fd, other, offset, length);
      }) as Io['fs']['writeSync'],
    });
    const dir = freshFolder();
    await expect(localStore(dir, io).append(SCOPE, 1, claimedBy(A))).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    expect((await localStore(dir, nodeIo).read(SCOPE)).entries).toEqual([]);
    expect(readdirSync(ledgerDir(dir))).toEqual([]);
  });
});

describe('the claim', () => {
  it('a claim is not owned where its files cannot be looked at, or were replaced', async () => {
    const dir = freshFolder();
    let blind = false;
    const lstat = ((path: string) => {
      if (blind) throw systemError('EIO');
      return nodeIo.fs.lstatSync(path);
    }) as Io['fs']['lstatSync'];
    const store = await claimed(dir, ioWith({ lstatSync: lstat }));
    expect(store.owns(SCOPE)).toBe(true);
    blind = true;
    expect(store.owns(SCOPE)).toBe(false);
    blind = false;
    execFileSync('sh', ['-c', 'cp -a 0001.jsonl copy && mv copy 0001.jsonl'], { cwd: ledgerDir(dir) });
    expect(store.owns(SCOPE)).toBe(false);
    expect(await store.append(SCOPE, 2, note('into a replaced file'))).toBe('conflict');
  });

  it('a new claim sweeps up what crashed claims left behind', async () => {
    const dir = freshFolder();
    const store = await claimed(dir);
    const hoursAgo = Date.now() / 1000 - 2 * 3600;
    for (const [name, at] of Object.entries({ '.tmp.7.00112233aabb': hoursAgo, '.tmp.7.ccddeeff0011': Date.now() / 1000 })) {
      writeFileSync(join(ledgerDir(dir), name), 'half', { mode: 0o600 });
      utimesSync(join(ledgerDir(dir), name), at, at);
    }
    await store.append(SCOPE, 2, RELEASED);
    await store.append(SCOPE, 3, claimedBy(A));
    // The younger one may still be written by a process that lives.
    const left = ['.tmp.7.ccddeeff0011', '0001.jsonl', '0002.jsonl'];
    expect(readdirSync(ledgerDir(dir)).sort()).toEqual(left);
  });

  it('an abort request that cannot be read counts as a wish to abort', async () => {
    const dir = freshFolder();
    const store = await claimed(dir);
    writeFileSync(join(ledgerDir(dir), '0001.abort'), 'not JSON', { mode: 0o600 });
    expect(await store.requestedAbort(SCOPE)).toMatchObject({ reason: 'unreadable request' });
  });
});

describe('the state directory', () => {
  it('the state directory has folders of 0700 and files of 0600, whatever the umask', async () => {
    const old = process.umask(0o277);
    const dir = join(freshFolder(), 'made', 'here');
    try {
      await claimed(dir);
    } finally {
      process.umask(old);
    }
    expect(statSync(ledgerDir(dir)).mode & 0o7777).toBe(0o700);
    expect(statSync(join(ledgerDir(dir), '0001.jsonl')).mode & 0o777).toBe(0o600);
  });

  /** Root can give files away, so it tries with somebody else's. */
  const root = process.getuid?.() === 0;
  const somebody = { uid: root ? 12345 : Number(process.getuid?.()), gid: root ? 12345 : Number(process.getgid?.()) };

  it('a shared state directory is 0770 and 0660, and belongs to the group', async () => {
    const dir = join(freshFolder(), 'shared');
    await localStore(dir, nodeIo, { gid: somebody.gid }).append(SCOPE, 1, claimedBy(A));
    for (const path of [dir, ledgerDir(dir)])
      expect([statSync(path).mode & 0o777, statSync(path).gid]).toEqual([0o770, somebody.gid]);
    const file = statSync(join(ledgerDir(dir), '0001.jsonl'));
    expect([file.mode & 0o777, file.gid]).toEqual([0o660, somebody.gid]);
    expect((await localStore(dir, nodeIo).read(SCOPE)).entries.length).toBe(1);
  });

  it('a state directory stays its user’s when root works in it, and a claim of root stays root’s, for its user to read', async () => {
    if (!isRoot('a state of another user')) return;
    const dir = freshFolder();
    execFileSync('chown', [`${somebody.uid}:${somebody.gid}`, dir]);
    await expect(claimed(dir)).rejects.toMatchObject({ code: 'STATE_UNSAFE', hint: expect.stringContaining('as its owner: ') });
    await claimed(dir, { ...nodeIo, fs: machineFs(freshFolder(), { stateOwners: [somebody.uid] }) });
    expect(statSync(ledgerDir(dir)).uid).toBe(somebody.uid);
    const { uid, mode } = statSync(join(ledgerDir(dir), '0001.jsonl'));
    expect([uid, mode & 0o777]).toEqual([0, 0o644]);
    const argv = ['--reuid', `${somebody.uid}`, '--regid', `${somebody.gid}`, '--clear-groups', 'cat'];
    expect(execFileSync('setpriv', [...argv, join(ledgerDir(dir), '0001.jsonl')], { encoding: 'utf8' })).toContain('claimed');
  });

  const plants: Record<string, (dir: string, elsewhere: string) => void> = {
    'a linked tenant': (dir, elsewhere) => symlinkSync(elsewhere, join(dir, SCOPE.tenant)),
    'a linked ledger': (dir, elsewhere) => {
      mkdirSync(dirname(ledgerDir(dir)), { recursive: true, mode: 0o700 });
      symlinkSync(elsewhere, ledgerDir(dir));
    },
    'a linked segment': (dir, elsewhere) => {
      writeFileSync(join(elsewhere, 'x'), '');
      mkdirSync(ledgerDir(dir), { recursive: true, mode: 0o700 });
      symlinkSync(join(elsewhere, 'x'), join(ledgerDir(dir), '0001.jsonl'));
    },
    'a pipe for a segment': (dir) => {
      mkdirSync(ledgerDir(dir), { recursive: true, mode: 0o700 });
      execFileSync('mkfifo', [join(ledgerDir(dir), '0001.jsonl')]);
    },
    'a file with a third name': (dir, elsewhere) => {
      mkdirSync(ledgerDir(dir), { recursive: true, mode: 0o700 });
      const file = join(ledgerDir(dir), '0001.jsonl');
      writeFileSync(file, '', { mode: 0o600 });
      linkSync(file, join(elsewhere, 'y'));
      linkSync(file, join(elsewhere, 'z'));
    },
    'a folder that anyone can write': (dir) => {
      mkdirSync(ledgerDir(dir), { recursive: true, mode: 0o700 });
      chmodSync(dirname(ledgerDir(dir)), 0o777);
    },
    'a file that its group can write': (dir) => {
      mkdirSync(ledgerDir(dir), { recursive: true, mode: 0o700 });
      writeFileSync(join(ledgerDir(dir), '0001.jsonl'), '');
      chmodSync(join(ledgerDir(dir), '0001.jsonl'), 0o660);
    },
    'a file where a folder should be': (dir) => writeFileSync(join(dir, SCOPE.tenant), '', { mode: 0o600 }),
  };

  it.each(Object.keys(plants))('a state directory with %s is refused, and nothing is written elsewhere', async (name) => {
    const [dir, elsewhere] = [freshFolder(), freshFolder()];
    plants[name]?.(dir, elsewhere);
    const there = readdirSync(elsewhere);
    const store = localStore(dir, nodeIo);
    await expect(store.read(SCOPE)).rejects.toMatchObject({ code: 'STATE_UNSAFE' });
    await expect(store.append(SCOPE, 1, claimedBy(A))).rejects.toMatchObject({ code: 'STATE_UNSAFE' });
    expect(readdirSync(elsewhere)).toEqual(there);
  });

  it('the state directory itself may be reached through a link, which its owner made', async () => {
    const [real, place] = [freshFolder(), freshFolder()];
    symlinkSync(real, join(place, 'link'));
    await claimed(join(place, 'link'));
    expect(lstatSync(join(ledgerDir(real), '0001.jsonl')).isFile()).toBe(true);
  });
});

describe('durability', () => {
  /** The writing calls of an act, in order; what is synced is named by what it is. */
  async function trace(act: (io: Io, armed: (on: boolean) => void) => Promise<void>): Promise<string[]> {
    const calls: string[] = [];
    let on = false;
    const names = new Map<number, string>();
    const fs = new Proxy(nodeIo.fs, {
      get(target, name) {
        const found = Reflect.get(target, name);
        if (typeof found !== 'function') return found;
        return (...given: unknown[]) => {
          const result: unknown = Reflect.apply(found, target, given);
          if (name === 'openSync') names.set(result as number, statSync(String(given[0])).isDirectory() ? 'folder' : 'file');
          if (!on) return result;
          if (name === 'fsyncSync') calls.push(`fsync ${names.get(given[0] as number)}`);
          if (['writeSync', 'linkSync', 'unlinkSync'].includes(String(name))) calls.push(String(name).replace('Sync', ''));
          if (name === 'readSync' && calls.at(-1) === 'fsync file') calls.push('read back');
          return result;
        };
      },
    });
    await act({ ...nodeIo, fs }, (value) => {
      on = value;
    });
    return calls;
  }

  it('a claim is written, synced, read back, linked and its folder synced before it is acknowledged', async () => {
    const calls = await trace(async (io, armed) => {
      armed(true);
      await claimed(freshFolder(), io);
    });
    expect(calls.slice(calls.indexOf('write'))).toEqual(['write', 'fsync file', 'read back', 'link', 'fsync folder', 'unlink']);
    // Each of the four folders was made durable in the one above it, and the names above those first.
    const before = calls.slice(0, calls.indexOf('write'));
    expect(before.length).toBeGreaterThanOrEqual(4 + 1);
    expect(new Set(before)).toEqual(new Set(['fsync folder']));
  });

  it('an entry is written, synced and read back before it is acknowledged', async () => {
    const calls = await trace(async (io, armed) => {
      const store = await claimed(freshFolder(), io);
      armed(true);
      await store.append(SCOPE, 2, note('one'));
    });
    expect(calls).toEqual(['write', 'fsync file', 'read back']);
  });

  it('what a claim accepts is synced before the claim is linked', async () => {
    const calls = await trace(async (io, armed) => {
      const dir = freshFolder();
      const store = await claimed(dir);
      await store.append(SCOPE, 2, RELEASED);
      armed(true);
      await localStore(dir, io).append(SCOPE, 3, claimedBy(A));
    });
    expect(calls.indexOf('fsync file')).toBeLessThan(calls.indexOf('write'));
  });
});

describe('reading again', () => {
  it('a store that reads again reads old segments only once, and still sees what is new', async () => {
    const dir = freshFolder();
    const opened: string[] = [];
    const io = ioWith({
      openSync: (path, flags, mode) => {
        opened.push(String(path).slice(-10));
        return nodeIo.fs.openSync(path, flags, mode);
      },
    });
    const writer = await claimed(dir);
    await writer.append(SCOPE, 2, RELEASED);
    await writer.append(SCOPE, 3, claimedBy(A));
    const reader = localStore(dir, io);
    expect((await reader.read(SCOPE)).entries.length).toBe(3);
    await writer.append(SCOPE, 4, note('new'));
    opened.length = 0;
    expect(await reader.read(SCOPE)).toEqual(await localStore(dir, nodeIo).read(SCOPE));
    expect(opened).toEqual(['0002.jsonl']);
  });

  /** The calls and the bytes that one more reading takes when an entry was appended, in a ledger of so many segments. */
  async function increment(segments: number): Promise<{ calls: string[]; bytes: number }> {
    const dir = freshFolder();
    const writer = await claimed(dir);
    for (let seq = 2; seq < 2 * segments; seq += 2) {
      await writer.append(SCOPE, seq, RELEASED);
      await writer.append(SCOPE, seq + 1, claimedBy(A));
    }
    const calls: string[] = [];
    let bytes = 0;
    const fs = new Proxy(nodeIo.fs, {
      get: (target, name) => {
        const found = Reflect.get(target, name);
        if (typeof found !== 'function') return found;
        return (...given: unknown[]) => {
          calls.push(String(name));
          const result: unknown = Reflect.apply(found, target, given);
          if (name === 'readSync') bytes += Number(result);
          return result;
        };
      },
    });
    // As if some seconds had passed since the folder changed last.
    const reader = localStore(dir, { ...nodeIo, fs, now: () => Date.now() + 10_000 });
    await reader.read(SCOPE);
    await writer.append(SCOPE, 2 * segments, note('new'));
    calls.length = 0;
    bytes = 0;
    const { entries } = await reader.read(SCOPE);
    expect([entries.length, notes(entries)]).toEqual([2 * segments, ['new']]);
    await reader.requestedAbort(SCOPE);
    return { calls, bytes };
  }

  it('reading a ledger again takes the same few calls and bytes whatever its length, and lists no folder', async () => {
    const [short, long] = [await increment(2), await increment(40)];
    expect(long.calls).toEqual(short.calls);
    expect(short.calls).not.toContain('readdirSync');
    // Some numbers in the lines have a digit more.
    expect(Math.abs(long.bytes - short.bytes)).toBeLessThan(20);
  });

  it('a store that reads again notices a changed byte in the verified segment that may still grow', async () => {
    const dir = freshFolder();
    const store = await claimed(dir);
    await store.append(SCOPE, 2, note('one'));
    await store.append(SCOPE, 3, note('two'));
    expect((await store.read(SCOPE)).entries.length).toBe(3);
    const file = join(ledgerDir(dir), '0001.jsonl');
    const { atime, mtime } = statSync(file);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"one"', '"won"'));
    utimesSync(file, atime, mtime);
    await expect(store.read(SCOPE)).rejects.toMatchObject({ code: 'LEDGER_DAMAGED' });
  });

  it('a store starts over when ledger segments were removed', async () => {
    const dir = freshFolder();
    const writer = await claimed(dir);
    for (const seq of [2, 4]) {
      await writer.append(SCOPE, seq, RELEASED);
      await writer.append(SCOPE, seq + 1, claimedBy(A));
    }
    expect((await writer.read(SCOPE)).entries.length).toBe(5);
    rmSync(join(ledgerDir(dir), '0001.jsonl'));
    await expect(writer.read(SCOPE)).rejects.toMatchObject({ code: 'LEDGER_DAMAGED' });
  });
});
