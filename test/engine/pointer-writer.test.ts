/** What the pointer names, and what it would do, after each thing that can become of a rollout. */
import { describe, expect, it } from 'vitest';
import type { IdentityCheck } from '../../src/base/changes/identity.ts';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import type { Fs } from '../../src/base/durable/fs.ts';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { encodePointer } from '../../src/base/pointer/pointer-format.ts';
import { draftTooLarge, publishPointer, staleness } from '../../src/engine/pointer-writer.ts';
import { buildAt, CANDIDATE, planOf, promote, rollbackOf, STABLE } from '../simulator/rollouts.ts';
import { COPY_DIR, POINTER_DIR, SCOPE, STATE_DIR } from '../simulator/simulation.ts';
import { ALL_BLUE, pointersIn, scene } from './scene.ts';

const THIRD = 'face0000-0000-4000-8000-000000000004';

const adopt = planOf({
  id: 'r-0',
  kind: 'adopt',
  candidate: rollbackOf().candidate,
  stable: null,
  steps: [{ percent: 100, bakeMs: 1000 }],
});

async function promoted() {
  const here = scene();
  await promote(here.sim, here.process(12), adopt);
  await here.go();
  return here;
}

function pointerMissing(): never {
  throw new Error('there is no pointer');
}

describe('the pointer', () => {
  it('the pointer after a promotion names the new build, and the one before it to roll back to', async () => {
    const { newest } = pointersIn(await promoted());
    expect(newest).toMatchObject({
      why: 'promoted',
      knownGood: { build: { guid: CANDIDATE }, changes: [{ body: JSON.stringify({ green: 100, blue: 0, grey: 0 }) }] },
      earlier: [{ build: { guid: STABLE }, changes: [{ body: JSON.stringify(ALL_BLUE) }] }],
    });
  });

  it('the pointer writer asks the restored build itself who it is', async () => {
    const { newest } = pointersIn(await promoted());
    expect(newest?.knownGood.identity).toMatchObject([
      { url: 'http://green/healthz', header: 'x-build-guid', equals: CANDIDATE },
    ]);
  });

  it('the rescue program is replaced next to the pointer and every copy before a generation is written', async () => {
    const here = await promoted();
    const { io } = here.process(13);
    const [dir, copy] = [POINTER_DIR, pointerDir(COPY_DIR, SCOPE)];
    for (const old of [dir, copy]) io.fs.unlinkSync(`${old}/break-glass.mjs`);
    const named: string[] = [];
    const fs = new Proxy(io.fs, {
      get: (disk, name: keyof Fs) => {
        const call = disk[name];
        if (name !== 'linkSync' && name !== 'renameSync') return typeof call === 'function' ? call.bind(disk) : call;
        return (from: string, to: string) => {
          named.push(to.replace(/ptr\.\d+$/, 'ptr'));
          disk[name](from, to);
        };
      },
    });
    const { generation: _, ...draft } = pointersIn(here).newest ?? pointerMissing();
    publishPointer({ scope: SCOPE, stateDir: STATE_DIR, copies: [COPY_DIR], modes: OWNER_ONLY, environments: [] }, draft, {
      ...io,
      fs,
    });
    expect(named).toEqual([`${dir}/break-glass.mjs`, `${copy}/break-glass.mjs`, `${dir}/ptr`, `${copy}/ptr`]);
  });

  it('a program killed at any call of an upgrade leaves no generation of format 2 next to a program that cannot read it', {
    timeout: 120_000,
  }, async () => {
    const folders = [POINTER_DIR, pointerDir(COPY_DIR, SCOPE)];
    const OLD = 'the program of an older version';
    const places = { scope: SCOPE, stateDir: STATE_DIR, copies: [COPY_DIR], modes: OWNER_ONLY, environments: [] };
    const here = await promoted();
    const { io } = here.process(13);
    const { generation: _, ...draft } = pointersIn(here).newest ?? pointerMissing();
    let killedAt = 0;
    for (let done = false; !done; ) {
      for (const dir of folders) {
        for (const name of io.fs.readdirSync(dir)) if (name !== 'break-glass.mjs') io.fs.unlinkSync(`${dir}/${name}`);
        const fd = io.fs.openSync(`${dir}/break-glass.mjs`, 'w', 0o600);
        io.fs.writeSync(fd, Buffer.from(OLD), 0, OLD.length, 0);
        io.fs.closeSync(fd);
        expect(String(io.fs.readFileSync(`${dir}/break-glass.mjs`))).toBe(OLD);
      }
      killedAt += 1;
      let calls = 0;
      const dying = new Proxy(io.fs, {
        get: (disk, name: keyof Fs) => {
          const call = disk[name];
          if (typeof call !== 'function') return call;
          return (...args: never[]) => {
            calls += 1;
            if (calls >= killedAt) throw new Error('killed');
            return (call as (...given: never[]) => unknown).apply(disk, args);
          };
        },
      });
      try {
        publishPointer(places, draft, { ...io, fs: dying });
        done = calls < killedAt;
      } catch {
        // Killed: nothing after this call was made.
      }
      for (const dir of folders) {
        const generations = here.sim.disk.readdirSync(dir).filter((name) => /^ptr\.\d+$/.test(name));
        const isOld = String(here.sim.disk.readFileSync(`${dir}/break-glass.mjs`)) === OLD;
        expect({ killedAt, dir, unreadable: isOld && generations.length > 0 }).toMatchObject({ unreadable: false });
      }
    }
    expect(killedAt).toBeGreaterThan(40);
  });

  it('a pointer that would be too large once its names are resolved is refused before they are', async () => {
    const { generation: _, ...draft } = pointersIn(await promoted()).newest ?? pointerMissing();
    const draftOf = (count: number) => {
      const identity = Array.from({ length: count }, (_one, at) => ({
        kind: 'http' as const,
        url: `http://member-${at}.a-name-that-takes-some-room-of-its-own.kv-gateway.production.internal:8080/`,
        header: 'x-build-guid',
        equals: CANDIDATE,
        timeoutMs: 2000,
      }));
      return { ...draft, knownGood: { ...draft.knownGood, identity } };
    };
    const reading = { locations: [] } as unknown as Parameters<typeof draftTooLarge>[1];
    expect(draftTooLarge(draftOf(1000), reading)).toBeUndefined();
    expect(draftTooLarge(draftOf(3500), reading)).toContain('would have more than 1048576 bytes');
    expect(() => encodePointer({ ...draftOf(3500), generation: 1 })).not.toThrow();
  });

  it('a pointer without room for an earlier build says which one; one with too many members alike is refused in words', async () => {
    const here = await promoted();
    const { generation: _, ...draft } = pointersIn(here).newest ?? pointerMissing();
    const identityOf = (count: number) =>
      Array.from({ length: count }, (_one, at) => ({
        kind: 'http' as const,
        url: `http://10.0.0.1:${10_000 + at}/a-path-that-takes-some-room-of-its-own/healthz`,
        header: 'x-build-guid',
        equals: CANDIDATE,
        timeoutMs: 2000,
      }));
    const full = { ...draft.knownGood, identity: identityOf(3500) };
    const left = { ...full, build: { ...full.build, guid: THIRD, version: '1.9.0', ref: 'violet' } };
    const places = { scope: SCOPE, stateDir: STATE_DIR, copies: [COPY_DIR], modes: OWNER_ONLY, environments: [] };
    const { io } = here.process(13);
    const { warnings } = publishPointer(places, { ...draft, knownGood: full, earlier: [left] }, io);
    expect(warnings).toEqual([
      expect.stringContaining(`THE POINTER IS FULL: break-glass cannot roll back to ${THIRD} (version 1.9.0)`),
    ]);
    const reading = { locations: [{ name: 'main', members: [] }] } as unknown as Parameters<typeof draftTooLarge>[1];
    const tooMany = { ...draft, knownGood: { ...draft.knownGood, identity: identityOf(4097) } };
    expect(draftTooLarge(tooMany, reading)).toMatch(/^it restores at most 4096 members alike, and this would be 4097 \(/);
  });

  it('a pointer whose members are asked otherwise now is out of date, and one of an earlier version that says less is not', async () => {
    const { newest } = pointersIn(await promoted());
    if (newest === null) throw new Error('there is no pointer');
    const { generation: _, ...draft } = newest;
    const asked = { kind: 'http', url: 'http://green/healthz', header: 'x-build', equals: CANDIDATE, timeoutMs: 2000 } as const;
    const withIdentity = (...identity: readonly IdentityCheck[]) => ({ ...draft, knownGood: { ...draft.knownGood, identity } });
    const before = { ...withIdentity(asked), generation: 1 };
    expect(
      staleness(before, withIdentity({ ...asked, members: ['green'], environment: { header: 'x-env', equals: 'production' } })),
    ).toBeNull();
    expect(staleness(before, withIdentity({ ...asked, url: 'http://green/version' }))).toContain(
      'the stored questions to its members differ',
    );
    expect(staleness(before, withIdentity(asked, asked))).toContain('the stored questions to its members differ');
  });

  it('the pointer offers no earlier build whose place another one has taken', async () => {
    const here = await promoted();
    here.sim.place('blue', THIRD);
    const next = planOf({ id: 'r-2', candidate: buildAt(THIRD, 'blue', 3), stable: planOf().candidate });
    expect(await promote(here.sim, here.process(13), next)).toMatchObject({ state: { phase: 'done' } });
    const [afterwards, before] = pointersIn(here).all;
    expect(before).toMatchObject({ why: 'before-rollout', knownGood: { build: { guid: CANDIDATE } }, earlier: [] });
    expect(afterwards).toMatchObject({ knownGood: { build: { guid: THIRD } }, earlier: [{ build: { guid: CANDIDATE } }] });
  });

  it('the pointer offers no earlier build that is bad', async () => {
    const here = await promoted();
    await promote(here.sim, here.process(13), rollbackOf({ id: 'r-2' }));
    expect(pointersIn(here).newest).toMatchObject({ knownGood: { build: { guid: STABLE } }, earlier: [], bad: [CANDIDATE] });
  });

  it('the pointer reaches members that no one planned with', async () => {
    const here = scene();
    here.sim.split = { ...ALL_BLUE, violet: 0 };
    await here.go();
    const [change] = pointersIn(here).all.at(-1)?.knownGood.changes ?? [];
    expect(change).toMatchObject({ body: JSON.stringify({ ...ALL_BLUE, violet: 0 }) });
  });

  it('the pointer is the same in the copy, and a copy that cannot be written is a loud warning', async () => {
    const here = await promoted();
    expect(pointersIn(here, pointerDir(COPY_DIR, SCOPE)).newest).toEqual(pointersIn(here).newest);
    const alone = scene();
    await alone.go(planOf({ copies: ['/srv/here'] }));
    expect(alone.lines).toContainEqual(
      expect.objectContaining({ level: 'warning', message: expect.stringMatching(/^THE COPY/) }),
    );
  });
});
