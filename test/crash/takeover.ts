/** Rounds in which a leader is frozen in the middle of its shifts, another takes over, and the first wakes: nothing stale may stay. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { make } from '../../src/base/changes/make.ts';
import { releaseClaim, takeClaim } from '../../src/engine/claim.ts';
import { openTarget } from '../../src/engine/target.ts';
import { type Io, nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { freshFolder } from '../fresh-folder.ts';
import { until } from '../servers/program.ts';
import { SCOPE, seeded } from '../stores/entries.ts';
import { stopped, stopping } from './stopper.ts';
import { splitOf } from './writings.ts';

/** Where the local router of acme/production listens, by the checkout's config. */
export function listenOf(checkout: string): string {
  const text = readFileSync(join(checkout, 'kvdeploy.config.yaml'), 'utf8');
  return /listen: "([^"]+)", routes: "[^"]*routes-production/.exec(text)?.[1] ?? '';
}

export interface Rounds {
  readonly leader: string;
  readonly stopper: string;
  readonly settings: { readonly kind: 'local' | 'haproxy' };
  readonly rounds: number;
  readonly seed: number;
  /** False: as if the frozen leader ran where this process cannot end it. */
  readonly canEnd: boolean;
  /** How long the router can still act on what the frozen leader had connected. */
  readonly idleMs: number;
}

/**
 * Returns how often something stale arrived before the second application, and everything that was still wrong after it. The leader is frozen
 * between its last look and its change; where it can be ended, every other one at any moment.
 */
export async function takeOver({ leader, stopper, settings, rounds, seed, canEnd, idleMs }: Rounds) {
  const random = seeded(seed);
  const faults: string[] = [];
  let stale = 0;
  const io: Io = canEnd ? nodeIo : { ...nodeIo, end: async () => ({ is: 'unsure', why: 'as if it ran in another container' }) };
  const target = openTarget(settings, null, nodeIo);
  const apply = async () => {
    for (const change of target.changes(splitOf(0), 'at-once')) await make(change, nodeIo, () => undefined);
  };
  const isOurs = async () => {
    const { places } = await target.read();
    return places.find(({ place }) => place === 'blue')?.percent === 100;
  };
  const stateDir = join(freshFolder(), 'state');
  mkdirSync(stateDir, { mode: 0o700 });
  for (let round = 0; round < rounds; round += 1) {
    const worst = canEnd && round % 2 === 0 ? {} : stopping(stopper, settings.kind, 1 + Math.floor(random() * 5));
    const leading = await freeze([leader, 'shift', stateDir, JSON.stringify(settings)], worst, random() * 60);
    const store = localStore(stateDir, io);
    const taken = await takeClaim({ io, store, scope: SCOPE, actor: 'bob' }, 'abort', { takeOver: true });
    if (taken.from?.ended !== canEnd) faults.push(`${settings.kind}, round ${round}: ended is ${taken.from?.ended}`);
    await apply();
    await leading.wake();
    if (!(await isOurs())) stale += 1;
    if (!canEnd) {
      await nodeIo.sleep(idleMs);
      await apply();
    }
    if (!(await isOurs())) faults.push(`${settings.kind}, round ${round}: traffic is not where the new leader put it`);
    await releaseClaim({ io, store, scope: SCOPE, actor: 'bob' }, taken.seq);
  }
  if (canEnd && stale > 0) faults.push(`${stale} stale changes from leaders that had been ended`);
  if (!canEnd && stale !== rounds) faults.push(`only ${stale} of ${rounds} leaders that nobody ended made their last change`);
  return { stale, faults };
}

/** A leader that stops by itself, or else after so long. */
async function freeze(argv: readonly string[], worst: ReturnType<typeof stopping> | Record<string, never>, afterMs: number) {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...worst } });
  const ended = once(child, 'close');
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  await until('the leader leads', () => (said.includes('leads') ? true : undefined), 20_000);
  if ('STOP_AT' in worst) await stopped(child.pid ?? 0);
  else {
    await nodeIo.sleep(afterMs);
    child.kill('SIGSTOP');
  }
  const wake = async () => {
    child.kill('SIGCONT');
    await ended;
  };
  return { wake };
}
