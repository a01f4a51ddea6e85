/** What every router owes, whatever it is: the first line of each router's test calls this. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NotAllowed } from '../../src/base/changes/change.ts';
import { check as verify } from '../../src/base/changes/checks.ts';
import { make } from '../../src/base/changes/make.ts';
import { type Split, splitsAgree } from '../../src/core/rollout/split.ts';
import { type Guid, parseGuid } from '../../src/core/scope.ts';
import type { Io } from '../../src/io.ts';
import { membersAt } from '../../src/routers/places.ts';
import type { Leaving, Reading, Router } from '../../src/routers/router.ts';
import { changesOf, checksOf } from './readings.ts';

/** A real router before real builds. */
export interface RouterUnderTest<Config> {
  readonly router: Router<Config>;
  readonly config: Config;
  readonly io: Io;
  /** What the target itself says it is. */
  readonly environment: string;
  /** Exactly two places, each with the build that answers there in the header x-build-guid. The first has 100 % at the start. */
  readonly members: readonly [KnownMember, KnownMember];
  /** A further member of the target that no split in this contract names; at 0 % at the start. */
  readonly stranger: string;
  /** The smallest share that it can set, percent; left out: 0.01. */
  readonly finest?: number;
  /** True where each change takes seconds: fewer shares are tried. */
  readonly slow?: true;
  /** False where the router counts no requests, so that it never says `served`. */
  readonly counts?: false;
  /** False where the router does not know at which address a build answers. */
  readonly addressed?: false;
  /** Sends `count` requests through the router; resolves with how many each GUID answered. */
  traffic(count: number): Promise<ReadonlyMap<string, number>>;
  /** Sets the percentages as a person would who knows nothing of kvdeploy. */
  moveByHand(percents: Readonly<Record<string, number>>): Promise<void>;
  /** From now on the router cannot be asked. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface KnownMember {
  readonly place: string;
  readonly guid: Guid;
}

const AT_ONCE: Leaving = { leaving: 'at-once' };

/** Runs the contract against a fresh one for each test. */
export function routerContract<Config>(name: string, setup: () => Promise<RouterUnderTest<Config>>): void {
  describe(`${name} keeps the router contract`, () => {
    let subject: RouterUnderTest<Config>;
    beforeEach(async () => {
      subject = await setup();
    });
    afterEach(() => subject.close());
    purity(() => subject);
    shifting(() => subject);
    readingBack(() => subject);
    faults(() => subject);
  });
}

function purity<Config>(subject: () => RouterUnderTest<Config>): void {
  it('a router renders the same changes for the same split, in whatever order its shares come', () => {
    const { router, config } = subject();
    const split = splitAt(subject(), 25);
    expect(changesOf(router, config, split, AT_ONCE)).toEqual(changesOf(router, config, split, AT_ONCE));
    expect(changesOf(router, config, [...split].reverse(), AT_ONCE)).toEqual(changesOf(router, config, split, AT_ONCE));
    expect(checksOf(router, config, [...split].reverse())).toEqual(checksOf(router, config, split));
  });

  it('a router names every member in its changes, those at 0 % too', () => {
    const { router, config, members } = subject();
    for (const percent of [0, 25, 100]) {
      const text = JSON.stringify(changesOf(router, config, splitAt(subject(), percent), AT_ONCE));
      for (const { place } of members) expect(text).toContain(place);
    }
  });

  it('a router names at least one target, always the same, and puts no credential into its changes, checks and questions', () => {
    const { router, config } = subject();
    expect(router.targets(config).length).toBeGreaterThan(0);
    expect(router.targets(config)).toEqual(router.targets(config));
    const split = splitAt(subject(), 25);
    const kept = [changesOf(router, config, split, AT_ONCE), checksOf(router, config, split), router.questions(config)];
    expect(JSON.stringify(kept)).not.toMatch(/authorization|password|cookie"/i);
  });

  it('a router can be asked for its changes only with a whole percentage or one it calls possible', async () => {
    const { router, config, io } = subject();
    const reading = await router.read(config, io);
    expect(router.impossible(config, reading, 0)).toBeUndefined();
    expect(router.impossible(config, reading, 25)).toBeUndefined();
    expect(router.impossible(config, reading, 100)).toBeUndefined();
    expect(router.impossible(config, reading, 0.001)).toBeTypeOf('string');
  });
}

function shifting<Config>(subject: () => RouterUnderTest<Config>): void {
  it('a router moves real traffic by its changes, to 25 %, to 100 % and back to 0 %', async () => {
    const [stable, candidate] = subject().members;
    for (const percent of [25, 100, 0]) {
      await shift(subject(), splitAt(subject(), percent));
      const served = await subject().traffic(200);
      const share = (100 * (served.get(candidate.guid) ?? 0)) / 200;
      expect(Math.abs(share - percent), `${percent} % asked, ${share} % served`).toBeLessThan(percent % 100 === 0 ? 0.001 : 13);
      expect((served.get(candidate.guid) ?? 0) + (served.get(stable.guid) ?? 0)).toBe(200);
    }
  });

  it('a router is the same after making its changes twice as after once', async () => {
    const split = splitAt(subject(), 25);
    await shift(subject(), split);
    const once = await read(subject());
    await shift(subject(), split);
    expect((await read(subject())).places.map(settings)).toEqual(once.places.map(settings));
  });

  it('a router sets every share that it calls possible and reads it back, and refuses every other in words', async () => {
    const { router, config, members, finest = 0.01, slow } = subject();
    const places = members.map(({ place }) => place);
    const between = { stable: places[0] ?? '', candidate: places[1] ?? '' };
    const refused: number[] = [];
    const reading = await read(subject());
    for (const percent of slow === true ? [0.01, finest, 33.3] : [0.01, 0.1, finest, 1, 33.3, 50, 100, 0]) {
      const why = router.impossible(config, reading, percent, between);
      if (why === undefined) await shift(subject(), splitAt(subject(), percent));
      else expect([why, refused.push(percent)]).toEqual([expect.stringContaining(`${percent} %`), refused.length]);
    }
    expect(refused.filter((percent) => percent >= finest)).toEqual([]);
  }, 240_000);

  it('a router that was left between its changes is brought to the split by all of them, and back', async () => {
    const { router, config, io } = subject();
    const forward = changesOf(router, config, splitAt(subject(), 50), AT_ONCE);
    for (let made = 1; made < forward.length; made += 1) {
      for (const percent of [50, 0]) {
        for (const change of forward.slice(0, made)) await make(change, io, () => undefined);
        await shift(subject(), splitAt(subject(), percent));
      }
    }
    await shift(subject(), splitAt(subject(), 50));
    expect(await allHold(subject(), splitAt(subject(), 50))).toBe(true);
  });

  it('a router whose answers are lost fails its changes, and the same changes again leave the split that was asked', async () => {
    const { router, config, io } = subject();
    const lossy = losing(io);
    for (const change of changesOf(router, config, splitAt(subject(), 50), AT_ONCE)) {
      const made = make(change, lossy, () => undefined);
      // A file that is written here has no answer that could be lost.
      if (change.kind === 'write-file' && io.elsewhere === undefined) await made;
      else await expect(made).rejects.toThrow('the answer was lost');
    }
    await shift(subject(), splitAt(subject(), 50));
    expect(await allHold(subject(), splitAt(subject(), 50))).toBe(true);
  });

  it('a router leaves everything as it is when the change is not allowed', async () => {
    const { router, config, io } = subject();
    const before = await read(subject());
    for (const change of changesOf(router, config, splitAt(subject(), 25), AT_ONCE)) {
      await expect(make(change, io, () => 'a hold')).rejects.toBeInstanceOf(NotAllowed);
    }
    expect((await read(subject())).places.map(settings)).toEqual(before.places.map(settings));
  });
}

function readingBack<Config>(subject: () => RouterUnderTest<Config>): void {
  it('a router reads back every member, with an address at which the build itself answers', async () => {
    const { members, stranger } = subject();
    await shift(subject(), splitAt(subject(), 25));
    const reading = await read(subject());
    expect(reading.places.map(({ place }) => place).sort()).toEqual([...members.map(({ place }) => place), stranger].sort());
    expect(splitsAgree(reading.places, splitAt(subject(), 25))).toBe(true);
    expect(reading.trouble).toEqual([]);
    for (const { place, guid } of subject().addressed === false ? [] : members) {
      const address = membersAt(reading, place)[0]?.member.ask.address ?? '';
      const answer = await fetch(address, { signal: AbortSignal.timeout(2000) });
      expect(parseGuid(answer.headers.get('x-build-guid') ?? '')).toBe(guid);
    }
  });

  it('a router reads what someone else set, not what was last asked for', async () => {
    const [stable, candidate] = subject().members;
    await shift(subject(), splitAt(subject(), 25));
    await subject().moveByHand({ [stable.place]: 40, [candidate.place]: 60 });
    const reading = await read(subject());
    expect(splitsAgree(reading.places, [share(stable, 40), share(candidate, 60)])).toBe(true);
  });

  it('a router says served only when enough traffic since the earlier reading fits', async () => {
    await shift(subject(), splitAt(subject(), 25));
    const since = await read(subject());
    expect(since.certainty).toBe('configured');
    await subject().traffic(60);
    expect((await read(subject(), since)).certainty).toBe('configured');
    await subject().traffic(140);
    expect((await read(subject(), since)).certainty).toBe(subject().counts === false ? 'configured' : 'served');
    expect((await read(subject())).certainty).toBe('configured');
  });

  it('a router does not say served when the counters began under another split', async () => {
    await shift(subject(), splitAt(subject(), 100));
    const since = await read(subject());
    await subject().traffic(150);
    await shift(subject(), splitAt(subject(), 0));
    await subject().traffic(150);
    expect((await read(subject(), since)).certainty).toBe('configured');
  });

  it('a router fails its checks before the changes and passes them after', async () => {
    expect(await allHold(subject(), splitAt(subject(), 25))).toBe(false);
    await shift(subject(), splitAt(subject(), 25));
    expect(await allHold(subject(), splitAt(subject(), 25))).toBe(true);
    expect(await allHold(subject(), splitAt(subject(), 0))).toBe(false);
  });

  it('a router fails its checks while a member that the split does not name still serves', async () => {
    const { members, stranger } = subject();
    await shift(subject(), splitAt(subject(), 0));
    expect(await allHold(subject(), splitAt(subject(), 0))).toBe(true);
    await subject().moveByHand({ [members[0].place]: 60, [members[1].place]: 0, [stranger]: 40 });
    expect(await allHold(subject(), splitAt(subject(), 0))).toBe(false);
    const reading = await read(subject());
    expect(reading.places.find(({ place }) => place === stranger)?.percent).toBeGreaterThan(0);
  });

  it('a router says which environment the target itself claims to be', async () => {
    const { router, config, io, environment } = subject();
    expect(await router.identify(config, io)).toContain(environment);
  });
}

function faults<Config>(subject: () => RouterUnderTest<Config>): void {
  it('a router that cannot be asked rejects with UNREACHABLE within the deadline, and its checks fail', async () => {
    const { router, config, io } = subject();
    await shift(subject(), splitAt(subject(), 25));
    await subject().stop();
    const startedAt = performance.now();
    await expect(router.read(config, io)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect(router.identify(config, io)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(await allHold(subject(), splitAt(subject(), 25))).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(7000);
  });
}

/** The same outside, in which everything is done and no answer arrives. */
function losing(io: Io): Io {
  const lost = async (done: Promise<unknown>): Promise<never> => {
    await done;
    throw new Error('the answer was lost');
  };
  const { elsewhere } = io;
  return {
    ...io,
    run: (...asked) => lost(io.run(...asked)),
    http: (...asked) => lost(io.http(...asked)),
    socket: (...asked) => lost(io.socket(...asked)),
    ...(elsewhere === undefined
      ? {}
      : {
          elsewhere: (at) => {
            const there = elsewhere(at);
            return there && { ask: (...asked) => lost(there.ask(...asked)) };
          },
        }),
  };
}

/** `percent` to the second member, the rest to the first. */
function splitAt<Config>({ members: [stable, candidate] }: RouterUnderTest<Config>, percent: number): Split {
  return [share(stable, 100 - percent), share(candidate, percent)];
}

function share({ place, guid }: KnownMember, percent: number) {
  return { place, build: guid, percent };
}

async function shift<Config>({ router, config, io }: RouterUnderTest<Config>, split: Split): Promise<void> {
  for (const change of changesOf(router, config, split, AT_ONCE)) await make(change, io, () => undefined);
  // A router may need a moment to take over what it was told.
  await expect
    .poll(async () => splitsAgree((await router.read(config, io)).places, split), { timeout: 15_000, interval: 20 })
    .toBe(true);
}

function read<Config>({ router, config, io }: RouterUnderTest<Config>, since?: Reading): Promise<Reading> {
  return router.read(config, io, since);
}

function settings({ place, percent, parked }: Reading['places'][number]) {
  return { place, percent, parked };
}

async function allHold<Config>({ router, config, io }: RouterUnderTest<Config>, split: Split): Promise<boolean> {
  for (const wanted of checksOf(router, config, split)) {
    const checked = await verify(wanted, io);
    if (!('ok' in checked && checked.ok)) return false;
  }
  return true;
}
