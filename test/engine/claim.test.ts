import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { keepBeating, LEASE_MS, releaseClaim, takeClaim, takeLead } from '../../src/engine/claim.ts';
import { type Io, nodeIo, type ProcessIdentity, type Seen } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import type { Store } from '../../src/stores/store.ts';
import { freshFolder } from '../fresh-folder.ts';
import { ledgerDir, note, notes, SCOPE } from '../stores/entries.ts';

const LEADER: ProcessIdentity = { host: 'deploy-1', boot: 'boot', pidNamespace: 'pid:[1]', uid: 7, pid: 71, started: '1' };
const OTHER: ProcessIdentity = { ...LEADER, pid: 72, started: '2' };
const CONTAINED: ProcessIdentity = { ...OTHER, pidNamespace: 'pid:[2]' };
const UNSURE: Seen & { is: 'unsure' } = { is: 'unsure', why: 'it runs in another pid namespace (container)' };
const ALICE = { scope: SCOPE, actor: 'alice' };
const GENTLE = { takeOver: false };

/** The machine of a process: a wall clock, a monotonic clock that sleeping moves, and who is running. */
function processIn(machine: Machine, self: ProcessIdentity): Io {
  return {
    ...nodeIo,
    self: () => self,
    now: () => machine.nowMs,
    monotonic: () => machine.monotonicMs,
    sleep: async (ms) => {
      machine.monotonicMs += ms;
      machine.nowMs += ms;
      await machine.whileAsleep?.();
    },
    lookFor: ({ by }) => {
      if (by.pidNamespace !== self.pidNamespace) return UNSURE;
      return { is: machine.running.has(by.pid) ? 'running' : 'gone' };
    },
    end: async ({ by }) => {
      machine.ended.push(by.pid);
      if (by.pidNamespace !== self.pidNamespace) return UNSURE;
      machine.running.delete(by.pid);
      return { is: 'gone' };
    },
  };
}

interface Machine {
  nowMs: number;
  monotonicMs: number;
  readonly running: Set<number>;
  readonly ended: number[];
  whileAsleep?: () => Promise<void>;
}

/** A ledger led by LEADER, whose last sign of life is `silentMs` ago. */
async function led(silentMs: number, alive = true) {
  const machine: Machine = { nowMs: Date.now(), monotonicMs: 0, running: new Set(alive ? [71] : []), ended: [] };
  const dir = freshFolder();
  const leader = localStore(dir, processIn(machine, LEADER));
  const taken = await takeClaim({ ...ALICE, io: processIn(machine, LEADER), store: leader }, 'promote', GENTLE);
  const beat = (machine.nowMs - silentMs) / 1000;
  utimesSync(join(ledgerDir(dir), '0001.jsonl'), beat, beat);
  const claimAs = (self: ProcessIdentity, options = GENTLE, store?: Store) => {
    const io = processIn(machine, self);
    return takeClaim({ io, store: store ?? localStore(dir, io), scope: SCOPE, actor: 'bob' }, 'resume', options);
  };
  return { machine, dir, leader, taken, claimAs };
}

describe('taking a claim', () => {
  it('a claim of a scope that no one leads is just taken', async () => {
    const { leader, taken } = await led(0);
    expect(taken).toMatchObject({ seq: 1, from: null, abort: undefined, tornBytes: 0 });
    expect(taken.entries.map(({ event }) => event.type)).toEqual(['claimed']);
    expect(leader.owns(SCOPE)).toBe(true);
  });

  it('a claim of a scope whose leader gave it back is just taken', async () => {
    const { machine, leader, claimAs } = await led(0);
    await releaseClaim({ ...ALICE, io: processIn(machine, LEADER), store: leader }, 1);
    expect(await claimAs(OTHER)).toMatchObject({ seq: 3, from: null });
    expect(machine.ended).toEqual([]);
  });

  it('a claim from a lively leader is refused, and says who leads, where, since when and what to do', async () => {
    const { leader, claimAs, machine } = await led(2_000);
    const error = await claimAs(OTHER).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'BUSY', exitCode: 6 });
    expect(error).toHaveProperty(
      'message',
      expect.stringMatching(
        /^alice leads acme\/production\/kv-gateway with promote on deploy-1 \(pid 71\) since \d{4}-.*Z, last heartbeat 2 s ago$/,
      ),
    );
    expect(error).toHaveProperty('hint', expect.stringMatching(/kvdeploy status .*kvdeploy abort /));
    expect([machine.ended, leader.owns(SCOPE)]).toEqual([[], true]);
  });

  it('a claim from a leader whose process is gone needs no waiting', async () => {
    const { claimAs, machine } = await led(0, false);
    expect((await claimAs(OTHER)).from).toEqual({ by: LEADER, actor: 'alice', ended: true });
    expect(machine.monotonicMs).toBe(0);
  });

  it('a claim from a leader that is silent for longer than its lease ends that process first', async () => {
    const { claimAs, machine, leader } = await led(LEASE_MS + 1);
    const taken = await claimAs(OTHER);
    expect(taken.from).toEqual({ by: LEADER, actor: 'alice', ended: true });
    expect(machine.ended).toEqual([71]);
    expect(leader.owns(SCOPE)).toBe(false);
    expect(await leader.append(SCOPE, 2, note('from the dead'))).toBe('conflict');
  });

  it('a claim leaves a leader alone that only looks silent because a clock was set', async () => {
    for (const jumpMs of [24 * 3_600_000, -24 * 3_600_000]) {
      const { claimAs, machine, leader } = await led(0);
      machine.nowMs += jumpMs;
      machine.whileAsleep = () => leader.beat(SCOPE);
      await expect(claimAs(OTHER)).rejects.toMatchObject({ code: 'BUSY' });
      expect([machine.ended, leader.owns(SCOPE)]).toEqual([[], true]);
    }
  });

  it('a claim from a leader in another container waits three leases, and says that its process could not be ended', async () => {
    const young = await led(3 * LEASE_MS - 1_000);
    await expect(young.claimAs(CONTAINED)).rejects.toMatchObject({ code: 'BUSY' });
    const old = await led(3 * LEASE_MS + 1_000);
    expect((await old.claimAs(CONTAINED)).from).toEqual({ by: LEADER, actor: 'alice', ended: false });
    expect(old.leader.owns(SCOPE)).toBe(false);
  });

  it('a leader after one that could not end its predecessor waits for what that one had sent, too', async () => {
    const { machine, dir } = await led(3 * LEASE_MS + 1_000);
    const leadAs = (self: ProcessIdentity) => {
      const io = processIn(machine, self);
      return takeLead({ io, store: localStore(dir, io), scope: SCOPE, actor: 'bob' }, 'abort', { takeOver: true });
    };
    expect((await leadAs(CONTAINED)).unended).toBe(true);
    // It died, and was ended for certain; the first leader was not.
    expect((await leadAs({ ...CONTAINED, pid: CONTAINED.pid + 1 })).unended).toBe(true);
  });

  it('a claim of a host with another name sees and ends the leader like any other: names decide nothing', async () => {
    const { claimAs, machine } = await led(LEASE_MS + 1);
    expect((await claimAs({ ...OTHER, host: 'renamed' })).from?.ended).toBe(true);
    expect(machine.ended).toEqual([71]);
  });

  it('a claim on a person’s explicit wish ends even a lively leader', async () => {
    const { claimAs, machine } = await led(0);
    expect((await claimAs(OTHER, { takeOver: true })).from?.ended).toBe(true);
    expect(machine.ended).toEqual([71]);
  });

  it('a claim never ends the process that asks', async () => {
    const { claimAs, machine, dir } = await led(0);
    const second = localStore(dir, processIn(machine, LEADER));
    await expect(claimAs(LEADER, { takeOver: true }, second)).rejects.toMatchObject({ code: 'BUSY' });
    expect(machine.ended).toEqual([]);
  });

  it('a claim keeps what the leader wrote until it was fenced', async () => {
    const { machine, dir, leader, claimAs } = await led(LEASE_MS + 1);
    const io = processIn(machine, OTHER);
    const store = localStore(dir, io);
    const late: Store = {
      ...store,
      read: (scope) => store.read(scope),
      append: (scope, seq, entry) => store.append(scope, seq, entry),
      requestedAbort: (scope) => store.requestedAbort(scope),
      fence: async (scope, claimSeq) => {
        expect(await leader.append(SCOPE, 2, note('just in time'))).toBe('ok');
        await store.fence(scope, claimSeq);
      },
    };
    const taken = await claimAs(OTHER, GENTLE, late);
    expect(notes(taken.entries)).toEqual(['just in time']);
    expect(taken.seq).toBe(3);
  });

  it('a claim hands on an abort that was asked of the leader before', async () => {
    const { claimAs, leader } = await led(0, false);
    await leader.requestAbort(SCOPE, { actor: 'carol', reason: 'latency', atMs: 5 });
    expect((await claimAs(OTHER)).abort).toEqual({ actor: 'carol', reason: 'latency', atMs: 5 });
  });
});

describe('a sign of life', () => {
  it('a sign of life comes every second until it is stopped', async () => {
    let beats = 0;
    const beat = async () => {
      beats += 1;
    };
    const store = { beat } as unknown as Store;
    const stop = keepBeating({ io: nodeIo, store, scope: SCOPE });
    const start = performance.now();
    while (beats < 1 && performance.now() - start < 5_000) await nodeIo.sleep(20);
    stop();
    expect(beats).toBe(1);
    expect(performance.now() - start).toBeGreaterThan(900);
  });
});
