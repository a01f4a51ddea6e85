/** Every state that a crash can leave of each protocol: what was acknowledged is there, nothing else is taken for true. */
import { constants } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { make } from '../../src/base/changes/make.ts';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import type { Fs } from '../../src/base/durable/fs.ts';
import { openStateDir } from '../../src/base/durable/state-dir.ts';
import { writeHold } from '../../src/base/pointer/hold.ts';
import { pointerDir, readPointers, writePointer } from '../../src/base/pointer/pointer.ts';
import { nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { recordReliability } from '../reliability.ts';
import { putFile } from '../simulator/disk.ts';
import { claimedBy, note, RELEASED, SCOPE } from '../stores/entries.ts';
import { type Recording, recordingDisk } from './weak-disk.ts';
import { holdNote, missing, pointerOf, routesOf } from './writings.ts';

const ROOT = '/srv';
const STATE = `${ROOT}/state`;
/** More than are kept, so that old ones are pruned too. */
const GENERATIONS = 12;
const POINTER = [SCOPE.tenant, SCOPE.environment, SCOPE.service, 'pointer'];
const began = performance.now();
const sum = { points: 0, failures: 0 };

/** A way to write, on a disk that has what `prepare` put there. */
interface Protocol {
  readonly prepare: (fs: Fs) => Promise<void> | void;
  readonly write: (recording: Recording, fs: Fs) => Promise<void> | void;
}

const routes = `${ROOT}/routes.json`;
const shiftTo = async (text: string, fs: Fs) =>
  make({ kind: 'write-file', path: routes, content: routesOf(text) }, { ...nodeIo, fs }, () => undefined);

const PROTOCOLS: Readonly<Record<'pointer' | 'ledger' | 'hold' | 'shift', Protocol>> = {
  pointer: {
    prepare: (fs) => {
      const dir = openStateDir(STATE, POINTER, fs, OWNER_ONLY);
      for (let time = 0; time < 9; time += 1) writePointer(dir, pointerOf(`before-${time}`), fs, OWNER_ONLY);
    },
    write: ({ acknowledge }, fs) => {
      const dir = openStateDir(STATE, POINTER, fs, OWNER_ONLY);
      for (let time = 9; time < GENERATIONS; time += 1)
        acknowledge('pointer', writePointer(dir, pointerOf(`v-${time}`), fs, OWNER_ONLY), `v-${time}`);
    },
  },
  ledger: {
    prepare: () => undefined,
    write: async ({ acknowledge }, fs) => {
      const self = nodeIo.self();
      let seq = 0;
      for (const text of ['first', 'second', 'third']) {
        const store = localStore(STATE, { ...nodeIo, fs });
        const append = async (...[entry, ...words]: [ReturnType<typeof note>, ...string[]]) => {
          seq += 1;
          if ((await store.append(SCOPE, seq, entry)) !== 'ok') throw new Error('conflict');
          if (words[0] !== undefined) acknowledge(words[0], seq, ...words.slice(1));
        };
        await append(claimedBy(self, seq), 'claim');
        await append(note(text), 'entry', text);
        await append(note(`${text}-more`), 'entry', `${text}-more`);
        // The second owner is taken over, without giving its claim back.
        if (text === 'second') await store.fence(SCOPE, seq - 2);
        else await append(RELEASED);
      }
    },
  },
  hold: {
    prepare: (fs) => void openStateDir(STATE, POINTER, fs, OWNER_ONLY),
    write: ({ acknowledge }, fs) => {
      if (writeHold([pointerDir(STATE, SCOPE)], holdNote(), fs).written.length > 0) acknowledge('hold', 'there');
    },
  },
  shift: {
    prepare: async (fs) => shiftTo('0-0', fs),
    write: async ({ acknowledge }, fs) => {
      for (const text of ['0-1', '0-2', '0-3']) {
        await shiftTo(text, fs);
        acknowledge('shift', text);
      }
    },
  },
};

/** Tries every crash state of a protocol; of a mutant, whose disk `spoil` makes, until the first one that goes wrong. */
async function crash(name: keyof typeof PROTOCOLS, spoil?: (fs: Fs) => Fs) {
  const { prepare, write } = PROTOCOLS[name];
  const ready: Promise<void>[] = [];
  const recording = recordingDisk((fs) => {
    putFile(fs, `${ROOT}/here`, '');
    ready.push(Promise.resolve(prepare(fs)));
  });
  await Promise.all(ready);
  await write(recording, spoil?.(recording.fs) ?? recording.fs);
  const faults: string[] = [];
  let states = 0;
  for (const { fs, acked, at } of recording.crashes()) {
    states += 1;
    const found = [...(await missing(acked, ROOT, fs)), ...(await falselyTaken(name, fs)), ...(await next(name, fs))];
    if (found.length > 0) faults.push(`after ${at} steps: ${found.join('; ')}`);
    if (spoil !== undefined && faults.length > 0) break;
  }
  return { states, faults };
}

/** What a reader takes for true although nobody wrote it. */
async function falselyTaken(name: keyof typeof PROTOCOLS, fs: Fs): Promise<string[]> {
  if (name === 'shift') {
    const text = fs.existsSync(routes) ? fs.readFileSync(routes, 'utf8') : 'nothing';
    return ['0-0', '0-1', '0-2', '0-3'].map(routesOf).includes(text) ? [] : [`half a routes file: ${text.length} bytes`];
  }
  const { all } = readPointers(pointerDir(STATE, SCOPE), fs, SCOPE);
  const strange = all.filter(({ generation, knownGood }) => !new RegExp(`-${generation - 1}$`).test(knownGood.build.version));
  return name === 'pointer' && (strange.length > 0 || all.length < 9)
    ? [`${all.length} generations, ${strange.length} strange`]
    : [];
}

/** The next writer works on whatever the crash left. */
async function next(name: keyof typeof PROTOCOLS, fs: Fs): Promise<string[]> {
  try {
    if (name === 'pointer') writePointer(openStateDir(STATE, POINTER, fs, OWNER_ONLY), pointerOf('next'), fs, OWNER_ONLY);
    if (name !== 'ledger') return [];
    const store = localStore(STATE, { ...nodeIo, fs });
    const { entries } = await store.read(SCOPE);
    const claim = entries.findLast(({ event }) => event.type === 'claimed');
    if (claim !== undefined) await store.fence(SCOPE, claim.seq);
    const answer = await store.append(SCOPE, entries.length + 1, claimedBy(nodeIo.self(), 9));
    return answer === 'ok' ? [] : ['the next claim is refused'];
  } catch (error) {
    return [`the next writer fails: ${(error as Error).message}`];
  }
}

afterAll(() => {
  const seconds = (performance.now() - began) / 1000;
  console.log(`${sum.points} crash states, ${seconds.toFixed(1)} s`);
  recordReliability({
    name: 'crash-states',
    what: 'every crash state of four protocols on a disk with minimal guarantees',
    ...sum,
    seconds,
    seed: null,
  });
});

describe('no crash loses what was acknowledged, or leaves what was never written', () => {
  it.each(Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[])('a crash loses and invents nothing: %s', async (name) => {
    const { states, faults } = await crash(name);
    sum.points += states;
    sum.failures += faults.length;
    expect(faults.slice(0, 5)).toEqual([]);
    expect(states).toBeGreaterThan(5);
  });
});

const isFolder = (fs: Fs, fd: number) => fs.fstatSync(fd).isDirectory();

/** Each leaves one care out. */
const MUTANTS: Readonly<Record<string, (fs: Fs) => Fs>> = {
  'acknowledges before the folder is flushed': (fs) => ({
    ...fs,
    fsyncSync: (fd) => void (isFolder(fs, fd) || fs.fsyncSync(fd)),
  }),
  'flushes no file': (fs) => ({ ...fs, fsyncSync: (fd) => void (isFolder(fs, fd) && fs.fsyncSync(fd)) }),
};

describe('the model notices a writer that', () => {
  it.each(
    Object.entries(MUTANTS).flatMap(([name, spoil]) =>
      (Object.keys(PROTOCOLS) as (keyof typeof PROTOCOLS)[]).map((protocol) => [name, protocol, spoil] as const),
    ),
  )('the crash model notices a writer that %s, wherever that can do harm: %s', async (name, protocol, spoil) => {
    const { faults } = await crash(protocol, spoil);
    // A hold counts by its name alone, so its text may be lost.
    expect(faults.length > 0).toBe(!(protocol === 'hold' && name === 'flushes no file'));
  });

  it('the crash model notices a writer that prunes before the new generation is durable', async () => {
    const { faults } = await crash(
      'pointer',
      (fs) =>
        ({
          ...fs,
          linkSync: (from: string, to: string) => {
            const dir = pointerDir(STATE, SCOPE);
            for (const name of fs.readdirSync(dir)) if (name.startsWith('ptr.')) fs.unlinkSync(`${dir}/${name}`);
            fs.linkSync(from, to);
          },
        }) as Fs,
    );
    expect(faults.length).toBeGreaterThan(0);
  });

  it('the crash model notices a writer that truncates in place', async () => {
    const { faults } = await crash(
      'shift',
      (fs) =>
        ({
          ...fs,
          renameSync: (from: string, to: string) => {
            const fd = fs.openSync(to, constants.O_RDWR);
            fs.ftruncateSync(fd, 0);
            const bytes = fs.readFileSync(from) as Buffer;
            fs.writeSync(fd, bytes, 0, bytes.length);
            fs.fsyncSync(fd);
            fs.closeSync(fd);
            fs.unlinkSync(from);
          },
        }) as Fs,
    );
    expect(faults.length).toBeGreaterThan(0);
  });
});
