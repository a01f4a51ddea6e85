/** Every place at which a takeover and an append can cross: what was acknowledged must never be lost. */
import { describe, expect, it } from 'vitest';
import { type Io, nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import type { Store } from '../../src/stores/store.ts';
import { freshFolder } from '../fresh-folder.ts';
import { claimedBy, note, notes, SCOPE } from './entries.ts';

const SELF = nodeIo.self();

/** Calls `before(n)` ahead of the n-th file system call, from 1. The store's own work is synchronous, so nothing else can cross it. */
function counting(before: (call: number) => void): Io {
  let call = 0;
  const fs = new Proxy(nodeIo.fs, {
    get(target, name) {
      const found = Reflect.get(target, name);
      if (typeof found !== 'function') return found;
      return (...given: unknown[]) => {
        call += 1;
        before(call);
        return Reflect.apply(found, target, given);
      };
    },
  });
  return { ...nodeIo, fs };
}

/** Hides every fence, as a store would be that does not look. */
function blindToFences(io: Io): Io {
  const lstatSync = ((path: string) => io.fs.lstatSync(path.replace(/fenced$/, 'hidden'))) as Io['fs']['lstatSync'];
  const fs = new Proxy(io.fs, { get: (target, name) => (name === 'lstatSync' ? lstatSync : Reflect.get(target, name)) });
  return { ...io, fs };
}

/** A fences-then-claims takeover. Every call of a store does its work before it first waits, so calling it is doing it. */
function takeOver(store: Store, seq: number): Promise<string> {
  void store.fence(SCOPE, 1);
  return store.append(SCOPE, seq, claimedBy(SELF));
}

interface Outcome {
  readonly append: string;
  readonly claim: string;
  readonly kept: readonly string[];
  readonly calls: number;
}

/** B takes over; right before its n-th call A appends. */
async function appendInside(n: number, ownerSees: (io: Io) => Io): Promise<Outcome> {
  const dir = freshFolder();
  const owner = localStore(dir, ownerSees(nodeIo));
  await owner.append(SCOPE, 1, claimedBy(SELF));
  let appended: Promise<string> | undefined;
  let calls = 0;
  const taker = localStore(
    dir,
    counting((call) => {
      calls = call;
      if (call === n) appended = owner.append(SCOPE, 2, note('acknowledged?'));
    }),
  );
  // B claims after whatever it can see: with or without what A appended.
  const claim = await takeOver(taker, 2);
  const second = claim === 'ok' ? claim : await taker.append(SCOPE, 3, claimedBy(SELF));
  const { entries } = await localStore(dir, nodeIo).read(SCOPE);
  return { append: (await appended) ?? 'never', claim: second, kept: notes(entries), calls };
}

/** A appends; right before its n-th call B takes over. */
async function takeOverInside(n: number): Promise<Outcome> {
  const dir = freshFolder();
  let armed = false;
  let calls = 0;
  let claims: Promise<string>[] = [];
  const taker = localStore(dir, nodeIo);
  const owner = localStore(
    dir,
    counting(() => {
      if (!armed) return;
      calls += 1;
      if (calls === n) claims = [takeOver(taker, 2), taker.append(SCOPE, 3, claimedBy(SELF))];
    }),
  );
  await owner.append(SCOPE, 1, claimedBy(SELF));
  armed = true;
  const append = await owner.append(SCOPE, 2, note('acknowledged?'));
  armed = false;
  const answers = await Promise.all(claims);
  const { entries } = await localStore(dir, nodeIo).read(SCOPE);
  return { append, claim: answers.includes('ok') ? 'ok' : 'conflict', kept: notes(entries), calls };
}

describe('a takeover and an append that cross', () => {
  it('an append inside a takeover never loses what was acknowledged, wherever it happens', async () => {
    const { calls } = await appendInside(0, (io) => io);
    const seen = new Set<string>();
    for (let n = 1; n <= calls; n += 1) {
      const { append, claim, kept } = await appendInside(n, (io) => io);
      seen.add(append);
      expect(claim, `call ${n}`).toBe('ok');
      if (append === 'ok') expect(kept, `acknowledged at call ${n} of the takeover`).toEqual(['acknowledged?']);
    }
    expect([...seen].toSorted()).toEqual(['conflict', 'ok']);
  });

  it('a takeover inside an append never loses what was acknowledged, wherever it happens', async () => {
    const { calls } = await takeOverInside(0);
    const seen = new Set<string>();
    for (let n = 1; n <= calls; n += 1) {
      const { append, claim, kept } = await takeOverInside(n);
      seen.add(`${append} ${kept.length}`);
      expect(claim, `call ${n}`).toBe('ok');
      if (append === 'ok') expect(kept, `acknowledged although taken over at call ${n}`).toEqual(['acknowledged?']);
    }
    // Both kinds of conflict happen: the entry was accepted by the successor, or it was cut off.
    expect(seen).toContain('conflict 0');
    expect(seen).toContain('conflict 1');
  });

  it('an owner that does not look for the fence loses what it acknowledged: the harm that the fence prevents', async () => {
    const { calls } = await appendInside(0, blindToFences);
    const lost: number[] = [];
    for (let n = 1; n <= calls; n += 1) {
      const { append, kept } = await appendInside(n, blindToFences);
      if (append === 'ok' && kept.length === 0) lost.push(n);
    }
    expect(lost.length).toBeGreaterThan(0);
  });
});
