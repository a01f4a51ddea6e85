/**
 * A rollout that was open across the upgrade to places with members. fixtures/open-rollout/disk.json is what the version before left on its disk:
 * an adopted build, and a promotion whose leader was killed while 10 % baked.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { putFile } from '../simulator/disk.ts';
import { abort, CANDIDATE, historyIn, promote, resume, rollbackOf, STABLE } from '../simulator/rollouts.ts';
import { POINTER_DIR } from '../simulator/simulation.ts';
import { ALL_BLUE, ALL_GREEN, pointersIn, type Scene, scene } from './scene.ts';

const FILES = JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/open-rollout/disk.json'), 'utf8')) as Record<
  string,
  string
>;

const RESCUE = `${POINTER_DIR}/break-glass.mjs`;
const THREE = { blue: ['blue', 'blue-2', 'blue-3'], green: ['green', 'green-2', 'green-3'] };

/** Its disk, with the rescue program of that version, and its traffic. */
function upgraded(): Scene {
  const here = scene();
  for (const [path, content] of Object.entries(FILES)) putFile(here.sim.disk, path, content);
  putFile(here.sim.disk, RESCUE, 'the rescue program of the version before');
  // The leader that the ledger names.
  here.runner.kill();
  here.sim.split = { blue: 90, green: 10, grey: 0 };
  return here;
}

const programIn = ({ sim }: Scene) => String(sim.disk.readFileSync(RESCUE, 'utf8'));

describe('a rollout that an earlier version left open', () => {
  it('a rollout of the version before resumes to its end, and its pointer restores both builds', async () => {
    const here = upgraded();
    expect(await resume(here.sim, here.process(31))).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.split).toEqual(ALL_GREEN);
    expect(pointersIn(here).newest).toMatchObject({
      why: 'promoted',
      knownGood: { build: { guid: CANDIDATE } },
      earlier: [{ build: { guid: STABLE } }],
    });
  });

  it('a rollout of the version before goes back by abort, and by a gate that fails', async () => {
    const here = upgraded();
    expect(await abort(here.sim, here.process(31))).toMatchObject({ state: { phase: 'reverted', code: 'ABORTED' } });
    expect(here.sim.split).toEqual(ALL_BLUE);
    const sick = upgraded();
    Object.assign(sick.sim.builds.get('green') ?? {}, { failing: 0.5 });
    expect(await resume(sick.sim, sick.process(31))).toMatchObject({ state: { phase: 'reverted', gateFailed: true } });
    expect(sick.sim.split).toEqual(ALL_BLUE);
    expect((await historyIn(sick.sim)).bad.size).toBe(1);
  });

  it('a rollback comes after a rollout of the version before, to the build that it adopted', async () => {
    const here = upgraded();
    await resume(here.sim, here.process(31));
    expect(await promote(here.sim, here.process(32), rollbackOf({ id: 'r-9' }))).toMatchObject({ state: { phase: 'done' } });
    expect(here.sim.split).toEqual(ALL_BLUE);
    expect(pointersIn(here).newest).toMatchObject({ knownGood: { build: { guid: STABLE } } });
  });

  it('the rescue program of the version before is replaced with the first generation of this one', async () => {
    const here = upgraded();
    const programs: string[] = [];
    here.sim.onPointed = () => void programs.push(programIn(here));
    await resume(here.sim, here.process(31));
    expect(programs[0]).toBe('the rescue program');
  });

  it('a rollout of the version before restores every member that its places have by now, before it is raised', async () => {
    const here = upgraded();
    here.sim.shape = [{ location: 'east', members: THREE }];
    let first = '';
    here.sim.onShift = (_by, split) => {
      if (split['green'] === 100) first ||= JSON.stringify(pointersIn(here).newest?.knownGood);
    };
    expect(await resume(here.sim, here.process(31))).toMatchObject({ state: { phase: 'done' } });
    expect(first).toContain(STABLE);
    expect(first).toContain('blue-2 blue-3');
  });
});
