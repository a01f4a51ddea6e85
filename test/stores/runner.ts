/**
 * A process that leads a scope with the real store, for tests that kill, pause or race it. Says what was acknowledged on
 * standard output, synchronously, so that nothing it says can be lost with it.
 */
import { existsSync, writeSync } from 'node:fs';
import { keepBeating, releaseClaim, takeClaim } from '../../src/engine/claim.ts';
import { type Io, nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { note, SCOPE } from './entries.ts';

const [, , what = '', stateDir = '', argument = ''] = process.argv;

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

async function claim(io: Io) {
  const store = localStore(stateDir, io);
  return { store, ...(await takeClaim({ io, store, scope: SCOPE, actor: 'alice' }, what, { takeOver: false })) };
}

/** Claims, appends one entry and releases, as often as asked. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < Number(argument); ) {
    try {
      const { store, seq } = await claim(nodeIo);
      const text = `${process.pid}-${turn}`;
      if ((await store.append(SCOPE, seq + 1, note(text))) !== 'ok') continue;
      say(`acked ${seq + 1} ${text}`);
      turn += 1;
      await releaseClaim({ io: nodeIo, store, scope: SCOPE, actor: 'alice' }, seq + 1);
    } catch (error) {
      if ((error as { code?: string }).code !== 'BUSY') throw error;
      await nodeIo.sleep(40 + Math.random() * 120);
    }
  }
}

/** Waits for the starting shot, claims once, and keeps what it got until it is told to end. */
async function race(): Promise<void> {
  say('ready');
  while (!existsSync(argument)) await nodeIo.sleep(1);
  try {
    await claim(nodeIo);
    say('leads');
  } catch (error) {
    say((error as { code?: string }).code ?? String(error));
  }
  process.stdin.resume();
}

/** Leads, beats, and appends until it loses the claim. */
async function lead(): Promise<void> {
  const { store, seq } = await claim(nodeIo);
  keepBeating({ io: nodeIo, store, scope: SCOPE });
  say('leads');
  for (let next = seq + 1; store.owns(SCOPE); next += 1) {
    if ((await store.append(SCOPE, next, note(`${next}`))) === 'ok') say(`acked ${next} ${next}`);
    await nodeIo.sleep(5);
  }
  say('lost');
}

/** Reading leaves nothing behind, and takes longer with every segment: these are the calls to die at. */
const DEADLY = ['mkdirSync', 'fchmodSync', 'writeSync', 'fsyncSync', 'linkSync', 'unlinkSync', 'lstatSync'];

/** Appends until its n-th deadly file system call, ahead of which, or in the middle of which, it is killed. */
async function die(): Promise<void> {
  const [at = 0, half = 0] = argument.split(',').map(Number);
  let call = 0;
  const fs = new Proxy(nodeIo.fs, {
    get(target, name) {
      const found = Reflect.get(target, name);
      if (typeof found !== 'function' || !DEADLY.includes(String(name))) return found;
      return (...given: unknown[]) => {
        call += 1;
        if (call === at && name === 'writeSync' && half === 1) {
          const [fd, bytes, offset, length] = given as [number, Buffer, number, number];
          nodeIo.fs.writeSync(fd, bytes, offset, 1 + Math.floor((length - 1) * Math.random()));
        }
        if (call >= at) process.kill(process.pid, 'SIGKILL');
        return Reflect.apply(found, target, given);
      };
    },
  });
  const { store, seq } = await claim({ ...nodeIo, fs });
  for (let next = seq + 1; ; next += 1) {
    if ((await store.append(SCOPE, next, note(`${process.pid}-${next}`))) === 'ok') say(`acked ${next} ${process.pid}-${next}`);
  }
}

const acts: Record<string, () => Promise<void>> = { turns, race, lead, die };
await acts[what]?.();
