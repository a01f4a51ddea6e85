/** What a stranger may have planted in ledger, copies and list of places, and disks that cannot keep a promise. */
import { execFileSync } from 'node:child_process';
import fs, {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { knownPlaces, recordPlace } from '../../src/base/durable/places.ts';
import { filesystemOf, openStateDir } from '../../src/base/durable/state-dir.ts';
import { copyPointer, readPointers } from '../../src/base/pointer/pointer.ts';
import { nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { GREEN, PRODUCTION, SURE } from '../cli/local-builds.ts';
import { type LocalSite, openLocalSite, resultOf } from '../cli/local-site.ts';
import { freshFolder } from '../fresh-folder.ts';
import { claimedBy, ledgerDir, SCOPE } from '../stores/entries.ts';
import { mayMount, mount } from './mounts.ts';
import { pointerOf, rootsBelow } from './writings.ts';

const STRANGER = 54_321;

/** Each puts something in the place of `path`, which held a good file. `victim` is a file of somebody else. */
const PLANTS: Readonly<Record<string, (path: string, victim: string) => void>> = {
  'a link': (path, victim) => symlinkSync(victim, path),
  'a link to nowhere': (path, victim) => symlinkSync(`${victim}.gone`, path),
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
  'a folder': (path) => mkdirSync(path),
  'a file of a stranger': (path, victim) => {
    writeFileSync(path, readFileSync(victim));
    chownSync(path, STRANGER, STRANGER);
  },
  'a file that anyone may write': (path, victim) => {
    writeFileSync(path, readFileSync(victim));
    chmodSync(path, 0o666);
  },
  'a file with two more names': (path, victim) => {
    linkSync(victim, path);
    linkSync(victim, `${victim}.more`);
  },
};

/** Moves the good file away to a victim, plants, and says whether the victim stayed as it was. */
function plant(how: string, path: string): () => boolean {
  const victim = join(freshFolder(), 'victim');
  const before = existsSync(path) ? readFileSync(path) : Buffer.from('nothing\n');
  writeFileSync(victim, before, { mode: 0o600 });
  rmSync(path, { force: true });
  PLANTS[how]?.(path, victim);
  return () => readFileSync(victim).equals(before);
}

describe.each(Object.keys(PLANTS))('%s', (how) => {
  it(`${how} in place of a ledger segment: nothing is read, claimed or written`, async () => {
    const dir = freshFolder();
    await localStore(dir, nodeIo).append(SCOPE, 1, claimedBy(nodeIo.self()));
    const untouched = plant(how, join(ledgerDir(dir), '0001.jsonl'));
    const store = localStore(dir, nodeIo);
    await expect(store.read(SCOPE)).rejects.toMatchObject({ code: expect.stringMatching(/STATE_UNSAFE|UNREACHABLE/) });
    await expect(store.append(SCOPE, 2, claimedBy(nodeIo.self()))).rejects.toThrow();
    expect(untouched()).toBe(true);
  });

  it(`${how} in place of a generation in a copy is reported, and the copy is not taken for good`, () => {
    const dir = openStateDir(freshFolder(), ['acme', 'production', 'kv-gateway', 'pointer'], fs, OWNER_ONLY);
    const pointer = { ...pointerOf('1'), generation: 3 };
    copyPointer(dir, pointer, fs, OWNER_ONLY);
    const untouched = plant(how, join(dir, 'ptr.000000000003'));
    expect(readPointers(dir, fs, SCOPE)).toMatchObject({ newest: null, damaged: [{}] });
    expect(() => copyPointer(dir, pointer, fs, OWNER_ONLY)).toThrow();
    expect(untouched()).toBe(true);
  });

  it(`${how} in place of the list of places names nothing, and a link is not written through`, () => {
    const root = freshFolder();
    mkdirSync(join(root, 'home'));
    recordPlace('/srv/one', fs, rootsBelow(root));
    const untouched = plant(how, join(root, 'home/places'));
    expect(knownPlaces(fs, rootsBelow(root))).not.toContain('/srv/one');
    // To a file of somebody else it may be added: it names nothing then either.
    if (how.startsWith('a file ')) return;
    expect(() => recordPlace('/srv/two', fs, rootsBelow(root))).toThrow();
    expect(untouched()).toBe(true);
  });
});

describe('a state on a real mount of', () => {
  let site: LocalSite;
  beforeAll(async () => {
    site = await openLocalSite(['production']);
  });
  afterAll(() => site.close());

  const ask = async (stateDir: string) =>
    site.run(['adopt', ...PRODUCTION, ...SURE, '--json', '--state-dir', join(stateDir, 'state')]);
  const plan = async (stateDir: string) =>
    site.run(['plan', ...PRODUCTION, '--build', GREEN.guid, '--json', '--state-dir', join(stateDir, 'state')]);

  it('a state on a tmpfs mount is refused, since a reboot would take the rollback path with it', async () => {
    if (!mayMount('tmpfs as state')) return;
    const answer = await ask(mount('tmpfs', 'tmpfs', ['size=1m']));
    expect(resultOf(answer)).toMatchObject({ ok: false, exitCode: 3 });
    expect(answer.stdout).toContain('tmpfs');
  });

  it('a state on an overlay mount is used, with a warning', async () => {
    if (!mayMount('overlay as state')) return;
    const base = freshFolder();
    for (const name of ['lower', 'upper', 'work']) mkdirSync(join(base, name));
    const options = ['lower', 'upper', 'work'].map((name) => `${name}dir=${join(base, name)}`);
    const dir = mount('overlay', 'overlay', options);
    expect(filesystemOf(dir, fs)).toEqual({ kind: 'unsure', name: 'overlay' });
    const adopted = await ask(dir);
    expect(adopted.exitCode, adopted.stderr).toBe(0);
    expect((await plan(dir)).stdout).toContain('overlay');
  });
});
