import { type ChildProcess, spawn } from 'node:child_process';
import { lstatSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LEASE_MS, takeClaim } from '../../src/engine/claim.ts';
import { type Io, nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { freshFolder } from '../fresh-folder.ts';
import { ledgerDir, note, notes, SCOPE, seeded } from './entries.ts';

// Dozens of processes on whatever machine this is: only the order of things is judged, not the time.
vi.setConfig({ testTimeout: 90_000 });

const BOB = { io: nodeIo, scope: SCOPE, actor: 'bob' };
// Only what is called kvdeploy is ever ended.
const bundle = join(freshFolder(), 'kvdeploy.mjs');
const children: ChildProcess[] = [];

beforeAll(async () => {
  const entry = join(import.meta.dirname, 'runner.ts');
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: bundle,
    external: ['execa'],
    minify: true,
  });
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A real process; `said` holds its lines so far. */
function runner(...args: readonly string[]) {
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  children.push(child);
  let text = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const said = () => text.split('\n').filter((line) => line !== '');
  return { child, ended, said, errors: () => errors, acked: () => acknowledged(said()) };
}

/** Sequence and text of each acknowledged entry. */
function acknowledged(lines: readonly string[]): [number, string][] {
  return lines.flatMap((line): [number, string][] => {
    const [word, seq, text] = line.split(' ');
    return word === 'acked' ? [[Number(seq), String(text)]] : [];
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited too long until ${what}`);
    await nodeIo.sleep(5);
  }
}

describe('sixteen processes with twenty-five turns each', () => {
  it('sixteen processes with twenty-five turns each get distinct sequences, lose nothing and leave a whole chain', async () => {
    const dir = freshFolder();
    const runners = Array.from({ length: 16 }, () => runner('turns', dir, '25'));
    await Promise.all(runners.map(({ ended }) => ended));
    expect(runners.map(({ errors }) => errors()).join('')).toBe('');
    const acked = runners.flatMap((one) => one.acked());
    expect(new Set(acked.map(([seq]) => seq)).size).toBe(16 * 25);
    const { entries } = await localStore(dir, nodeIo).read(SCOPE);
    for (const [seq, text] of acked) expect(entries[seq - 1]?.event).toEqual(note(text).event);
    expect(notes(entries).length).toBe(16 * 25);
  });
});

describe('twenty-four processes that race for one claim', () => {
  it('twenty-four processes that race for one claim have one winner, and the others hear that it is busy', async () => {
    const dir = freshFolder();
    const shot = join(freshFolder(), 'shot');
    const runners = Array.from({ length: 24 }, () => runner('race', dir, shot));
    await until('all are ready', () => runners.every(({ said }) => said().includes('ready')));
    writeFileSync(shot, '');
    await until('all have an answer', () => runners.every(({ said }) => said().length === 2));
    const answers = runners.map(({ said }) => said()[1]);
    expect(answers.toSorted()).toEqual([...Array(23).fill('BUSY'), 'leads']);
    for (const { child } of runners) child.kill('SIGKILL');
  });
});

describe('a leader that is killed', () => {
  /** Kills one leader after the other in one ledger, and returns what they had acknowledged. */
  async function killMany(dir: string, rounds: number, seed: number): Promise<[number, string][]> {
    const random = seeded(seed);
    const all: [number, string][] = [];
    for (let round = 0; round < rounds; round += 1) {
      const one = runner('die', dir, `${1 + Math.floor(random() * 120)},${random() < 0.5 ? 1 : 0}`);
      await one.ended;
      expect(one.errors(), `seed ${seed}, round ${round}`).toBe('');
      all.push(...one.acked());
    }
    return all;
  }

  it('a leader killed at any file system call loses nothing it acknowledged, and the next claim works unaided', async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    console.log(`seed ${seed}`);
    const lanes = [seed, seed + 1, seed + 2].map(async (laneSeed) => {
      const dir = freshFolder();
      const acked = await killMany(dir, 14, laneSeed);
      const { entries } = await takeClaim({ ...BOB, store: localStore(dir, nodeIo) }, 'abort', { takeOver: false });
      for (const [seq, text] of acked) expect(entries[seq - 1]?.event, `seed ${laneSeed}, seq ${seq}`).toEqual(note(text).event);
      return acked.length;
    });
    const counts = await Promise.all(lanes);
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThan(20);
  });
});

describe('a leader that is paused', () => {
  it('a paused leader is ended by whoever takes over, so that waking it up changes nothing', async () => {
    const dir = freshFolder();
    const leader = runner('lead', dir);
    await until('it has written something', () => leader.acked().length > 3);
    process.kill(Number(leader.child.pid), 'SIGSTOP');
    const file = join(ledgerDir(dir), '0001.jsonl');
    await until('it stands still', () => readFileSync(`/proc/${leader.child.pid}/stat`, 'utf8').includes(') T '));
    const old = (Date.now() - LEASE_MS - 1_000) / 1000;
    utimesSync(file, old, old);

    const store = localStore(dir, nodeIo);
    const taken = await takeClaim({ ...BOB, store }, 'abort', { takeOver: false });
    expect(taken.from).toMatchObject({ by: { pid: leader.child.pid }, ended: true });
    const size = lstatSync(file).size;
    try {
      process.kill(Number(leader.child.pid), 'SIGCONT');
    } catch {
      // Reaped already: there is nothing left to wake up.
    }
    await leader.ended;
    expect(leader.child.signalCode).toBe('SIGKILL');
    expect(lstatSync(file).size).toBe(size);
    for (const [seq, text] of leader.acked()) expect(taken.entries[seq - 1]?.event).toEqual(note(text).event);
    expect(store.owns(SCOPE)).toBe(true);
  });

  it('a paused leader that cannot be ended notices on waking that it has lost, and writes nothing that counts', async () => {
    const dir = freshFolder();
    const leader = runner('lead', dir);
    await until('it has written something', () => leader.acked().length > 3);
    process.kill(Number(leader.child.pid), 'SIGSTOP');
    await until('it stands still', () => readFileSync(`/proc/${leader.child.pid}/stat`, 'utf8').includes(') T '));
    const store = localStore(dir, nodeIo);
    const io: Io = { ...nodeIo, end: async () => ({ is: 'unsure', why: 'as if it ran in another container' }) };
    const taken = await takeClaim({ ...BOB, store, io }, 'abort', { takeOver: true });
    expect(taken.from?.ended).toBe(false);
    expect(await store.append(SCOPE, taken.seq + 1, note('mine'))).toBe('ok');
    process.kill(Number(leader.child.pid), 'SIGCONT');
    await until('it has noticed', () => leader.said().includes('lost'));
    const { entries } = await store.read(SCOPE);
    for (const [seq, text] of leader.acked()) expect(entries[seq - 1]?.event).toEqual(note(text).event);
    expect(entries.slice(0, taken.seq)).toEqual(taken.entries);
    expect(entries.length).toBe(taken.seq + 1);
    leader.child.kill('SIGKILL');
  });
});
