/** What every store must keep: call it with a way to open the same ledgers as two processes would. */
import { describe, expect, it } from 'vitest';
import type { ProcessIdentity } from '../../src/io.ts';
import type { Store } from '../../src/stores/store.ts';
import { claimedBy, note, notes, RELEASED, SCOPE } from './entries.ts';

const A: ProcessIdentity = { host: 'deploy-1', boot: 'boot', pid: 71, started: '1' };
const B: ProcessIdentity = { host: 'deploy-2', boot: 'boot', pid: 72, started: '2' };

/** `open` gives two stores, as two processes would have them, over the same empty ledgers. */
export function storeContract(kind: string, open: () => Promise<readonly [Store, Store]> | readonly [Store, Store]): void {
  describe(`the ${kind} store keeps the contract of stores:`, () => {
    it('an untouched scope has an empty ledger, no owner and no requests', async () => {
      const [a] = await open();
      expect(await a.read(SCOPE)).toEqual({ entries: [], head: '0'.repeat(64), tornBytes: 0, beatAtMs: null, claimFile: null });
      expect(a.owns(SCOPE)).toBe(false);
      expect(await a.requestedAbort(SCOPE)).toBeUndefined();
      expect(await a.scopes()).toEqual([]);
    });

    it('an append that was answered ok is in every later read, in order', async () => {
      const [a, b] = await open();
      expect(await a.append(SCOPE, 1, claimedBy(A))).toBe('ok');
      expect(await a.append(SCOPE, 2, note('one'))).toBe('ok');
      expect(await a.append(SCOPE, 3, note('two'))).toBe('ok');
      const { entries } = await b.read(SCOPE);
      expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
      expect(entries[1]).toMatchObject(note('one'));
    });

    it('no one appends without a claim, and only its owner with one', async () => {
      const [a, b] = await open();
      expect(await a.append(SCOPE, 1, note('no claim'))).toBe('conflict');
      await a.append(SCOPE, 1, claimedBy(A));
      expect(await b.append(SCOPE, 2, note('not mine'))).toBe('conflict');
      expect([a.owns(SCOPE), b.owns(SCOPE)]).toEqual([true, false]);
      expect(notes((await b.read(SCOPE)).entries)).toEqual([]);
    });

    it('the head of a ledger is what the next entry carries as its previous hash', async () => {
      const [a, b] = await open();
      const heads: string[] = [];
      for (const [index, entry] of [claimedBy(A), note('one'), RELEASED].entries()) {
        heads.push((await b.read(SCOPE)).head);
        await a.append(SCOPE, index + 1, entry);
      }
      const { entries, head } = await b.read(SCOPE);
      expect(entries.map(({ prev }) => prev)).toEqual(heads);
      expect(head).toMatch(/^[0-9a-f]{64}$/);
      expect(heads).not.toContain(head);
    });

    it('an append with a wrong sequence is a conflict', async () => {
      const [a] = await open();
      expect(await a.append(SCOPE, 2, claimedBy(A))).toBe('conflict');
      await a.append(SCOPE, 1, claimedBy(A));
      expect(await a.append(SCOPE, 1, note('again'))).toBe('conflict');
      expect(await a.append(SCOPE, 3, note('a gap'))).toBe('conflict');
      expect(await a.append(SCOPE, 2, note('right'))).toBe('ok');
    });

    it('one of two claims for the same sequence wins', async () => {
      const [a, b] = await open();
      const answers = await Promise.all([a.append(SCOPE, 1, claimedBy(A)), b.append(SCOPE, 1, claimedBy(B))]);
      expect(answers.toSorted()).toEqual(['conflict', 'ok']);
    });

    it('a claim over an owner that is neither fenced nor has released is a conflict', async () => {
      const [a, b] = await open();
      await a.append(SCOPE, 1, claimedBy(A));
      expect(await b.append(SCOPE, 2, claimedBy(B))).toBe('conflict');
      expect(await a.append(SCOPE, 2, note('still mine'))).toBe('ok');
    });

    it('a released scope may be claimed by anyone, and the owner before it appends nothing more', async () => {
      const [a, b] = await open();
      await a.append(SCOPE, 1, claimedBy(A));
      expect(await a.append(SCOPE, 2, RELEASED)).toBe('ok');
      expect((await a.read(SCOPE)).beatAtMs).toBeNull();
      expect(await a.append(SCOPE, 3, note('after release'))).toBe('conflict');
      expect(await b.append(SCOPE, 3, claimedBy(B))).toBe('ok');
      expect([a.owns(SCOPE), b.owns(SCOPE)]).toEqual([false, true]);
    });

    it('a fence ends the ownership it names, and no later one', async () => {
      const [a, b] = await open();
      await a.append(SCOPE, 1, claimedBy(A));
      await b.fence(SCOPE, 1);
      expect(a.owns(SCOPE)).toBe(false);
      expect(await a.append(SCOPE, 2, note('too late'))).toBe('conflict');
      expect(await b.append(SCOPE, 2, claimedBy(B))).toBe('ok');
      await a.fence(SCOPE, 1);
      expect(b.owns(SCOPE)).toBe(true);
      expect(await b.append(SCOPE, 3, note('mine'))).toBe('ok');
    });

    it('a sign of life of the owner can be seen, and only of the owner', async () => {
      const [a, b] = await open();
      await a.append(SCOPE, 1, claimedBy(A));
      await a.beat(SCOPE);
      const first = (await b.read(SCOPE)).beatAtMs;
      expect(Math.abs(Date.now() - Number(first))).toBeLessThan(5_000);
      await b.beat(SCOPE);
      expect((await a.read(SCOPE)).beatAtMs).toBe(first);
    });

    it('a wish to abort reaches the owner, the first one stays, and the next owner starts without', async () => {
      const [a, b] = await open();
      const wish = { actor: 'bob', reason: 'latency', atMs: 5 };
      await expect(b.requestAbort(SCOPE, wish)).rejects.toMatchObject({ code: 'BUSY' });
      await a.append(SCOPE, 1, claimedBy(A));
      await b.requestAbort(SCOPE, wish);
      await b.requestAbort(SCOPE, { ...wish, actor: 'carol' });
      expect(await a.requestedAbort(SCOPE)).toEqual(wish);
      await a.append(SCOPE, 2, RELEASED);
      await b.append(SCOPE, 3, claimedBy(B));
      expect(await b.requestedAbort(SCOPE)).toBeUndefined();
    });

    it('the ledgers of two scopes never see each other', async () => {
      const [a, b] = await open();
      const other = { ...SCOPE, environment: 'staging' };
      await a.append(SCOPE, 1, claimedBy(A));
      expect(await b.append(other, 1, claimedBy(B))).toBe('ok');
      expect([a.owns(other), b.owns(SCOPE)]).toEqual([false, false]);
      expect((await a.scopes()).toSorted((x, y) => x.environment.localeCompare(y.environment))).toEqual([SCOPE, other]);
    });

    it('a scope name that could lead outside its folder is refused', async () => {
      const [a] = await open();
      for (const service of ['..', 'a/b', '', 'A', 'con', 'a\n']) {
        await expect(a.append({ ...SCOPE, service }, 1, claimedBy(A))).rejects.toMatchObject({ code: 'SCOPE_UNCLEAR' });
        await expect(a.read({ ...SCOPE, service })).rejects.toMatchObject({ code: 'SCOPE_UNCLEAR' });
      }
    });
  });
}
