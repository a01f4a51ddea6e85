/** Detectors for what keeps a rollback possible: the space that is put by for it, and a rescue that no one has reviewed. */
import { writeRecord } from '../../src/base/pointer/records.ts';
import { converge } from '../../src/commands/recover/converge.ts';
import { KvdeployError } from '../../src/core/errors.ts';
import type { Event } from '../../src/core/ledger/events.ts';
import { apply, start } from '../../src/core/rollout/rollout.ts';
import { ledgerReserve } from '../../src/engine/pointer-writer.ts';
import type { Deps } from '../../src/release/deps.ts';
import { CANDIDATE, rollbackTo, STABLE } from '../core/manifest/builds.ts';
import { scene } from '../engine/scene.ts';
import { POINTER_DIR, SCOPE, STATE_DIR } from '../simulator/simulation.ts';

/** No raise without the space that its rollback needs: at each one it must be on disk already. */
export async function reserves(): Promise<readonly string[]> {
  const here = scene();
  const { file } = ledgerReserve({ stateDir: STATE_DIR, scope: SCOPE });
  const bare = new Set<string>();
  here.sim.onShift = () => {
    if (!here.sim.disk.existsSync(file)) bare.add('traffic is raised without space for its rollback');
  };
  const ended = await here.go();
  return [...bare, ...(ended.how === 'over' ? [] : [`a good rollout ended ${ended.how}`])];
}

/** A rescue that set no hold waits for its review: converge must not undo it, nor ask the target first. */
export async function holds(): Promise<readonly string[]> {
  const here = scene();
  await here.go();
  const { io } = here.process(60);
  const failed = {
    type: 'outcome',
    scope: SCOPE,
    at: '2026-11-21T10:00:00Z',
    id: 'cut-short',
    result: 'failed',
    notes: [],
  } as const;
  writeRecord([POINTER_DIR], failed, io.fs);
  const { tenant, environment: env, service } = SCOPE;
  const deps = { io, cwd: '/', globals: { tenant, env, service, stateDir: STATE_DIR }, situation: {}, line: () => undefined };
  const ended = await converge({}, deps as unknown as Deps).catch((error: unknown) => error);
  if (ended instanceof KvdeployError && ended.code === 'HELD') return [];
  return [`converge goes on after a rescue that no one has reviewed: ${ended instanceof Error ? ended.message : 'it ended'}`];
}

/** The ledger and the exit code say that a location was not reached. */
export async function unreached(): Promise<readonly string[]> {
  const atMs = 1;
  const which = { unreached: 'n3 does not answer' };
  const split = [{ place: STABLE.ref, build: STABLE.guid, percent: 100 }];
  const events: readonly Event[] = [
    { type: 'prepared', atMs, generation: 1 },
    { type: 'shifted', atMs, split, certainty: 'configured', ...which },
    { type: 'converged', atMs, baseline: {}, certainty: 'configured', ...which },
    { type: 'pointed', atMs, generation: 2, warnings: [] },
  ];
  const { phase, code } = events.reduce(apply, start(rollbackTo(STABLE, CANDIDATE)));
  return phase === 'done' && code === 'NEEDS_ATTENTION' ? [] : [`a rollback without one location ends ${phase}, ${code}`];
}
