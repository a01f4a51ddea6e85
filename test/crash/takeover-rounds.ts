/** The concurrency sweep: fifty runners for one scope, frozen leaders on both routers, and rescues in the middle of rollouts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { fold } from '../../src/core/ledger/history.ts';
import { nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from '../cli/local-builds.ts';
import { openLocalSite } from '../cli/local-site.ts';
import { openSite } from '../e2e/site.ts';
import { freshFolder } from '../fresh-folder.ts';
import { startHaproxy } from '../servers/haproxy.ts';
import { SCOPE, seeded } from '../stores/entries.ts';
import { buildProgram } from './build.ts';
import { RESCUE } from './kill-acts.ts';
import { buildStopper } from './stopper.ts';
import { listenOf, type Rounds, takeOver } from './takeover.ts';

const RUNNERS = 50;

/** Each of fifty processes leads once; none may meet another one that leads. */
export async function raceFifty(): Promise<{ readonly faults: readonly string[]; readonly busy: number }> {
  const leader = await buildProgram('leader');
  const stateDir = join(freshFolder(), 'state');
  mkdirSync(stateDir, { mode: 0o700 });
  const marker = join(freshFolder(), 'leads');
  const runs = Array.from({ length: RUNNERS }, async () => {
    const child = spawn(process.execPath, [leader, 'turn', stateDir, marker]);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        said += data;
      });
    await once(child, 'close');
    return said.trim().split('\n');
  });
  const all = await Promise.all(runs);
  const { entries } = await localStore(stateDir, nodeIo).read(SCOPE);
  const claims = entries.filter(({ event }) => event.type === 'claimed').length;
  const strange = all.flat().filter((line) => line !== 'BUSY' && line !== 'led');
  const faults = [...strange, ...(claims === RUNNERS && fold(entries).leader === null ? [] : [`${claims} claims`])];
  return { faults, busy: all.flat().filter((line) => line === 'BUSY').length };
}

/** Takeovers of frozen leaders on both routers, where they can be ended and where they cannot. */
export async function freezeLeaders(rounds: number, seed: number) {
  const leader = await buildProgram('leader');
  const stopper = buildStopper();
  const lanes = [true, false].flatMap((canEnd) => [
    freezeOnLocal({ leader, stopper, rounds, seed, canEnd, idleMs: 0 }),
    freezeOnHaproxy({ leader, stopper, rounds, seed: seed + 1, canEnd, idleMs: 1000 }),
  ]);
  const results = await Promise.all(lanes);
  return { stale: results.slice(2).map(({ stale }) => stale), faults: results.flatMap(({ faults }) => faults) };
}

async function freezeOnLocal(rounds: Omit<Rounds, 'settings'>) {
  const site = await openLocalSite(['production']);
  const addresses = Object.fromEntries(['blue', 'green'].map((name) => [name, site.backend('production', name).address]));
  const settings = { kind: 'local' as const, listen: listenOf(site.checkout), routes: site.routes('production'), addresses };
  return takeOver({ ...rounds, settings }).finally(() => site.close());
}

async function freezeOnHaproxy(rounds: Omit<Rounds, 'settings'>) {
  // Nothing needs to answer behind it: only the weights are looked at.
  const servers = ['blue', 'green'].map((name, index) => ({ name, port: 9 + index }));
  const haproxy = await startHaproxy({ servers, statsTimeout: '1s' });
  const settings = { kind: 'haproxy' as const, sockets: haproxy.sockets, backend: 'gw', serverStateFile: haproxy.stateFiles };
  return takeOver({ ...rounds, settings }).finally(() => haproxy.stop());
}

/** A rollout that is frozen at a random moment, rescued, and woken. */
async function rescueRounds(
  rounds: number,
  seed: number,
  scene: {
    readonly reset: () => Promise<void> | void;
    readonly promote: () => { signal(name: NodeJS.Signals): void; readonly ended: Promise<unknown> };
    readonly rescue: () => Promise<{ readonly exitCode: number; readonly stderr: string }>;
    readonly held: () => boolean;
    readonly onBlue: () => Promise<boolean>;
  },
): Promise<string[]> {
  const random = seeded(seed);
  const faults: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await scene.reset();
    const promote = scene.promote();
    await nodeIo.sleep(random() * LATEST_MS);
    promote.signal('SIGSTOP');
    const { exitCode, stderr } = await scene.rescue();
    promote.signal('SIGCONT');
    await promote.ended;
    if (exitCode !== 0) faults.push(`round ${round}: break-glass ended with ${exitCode}: ${stderr}`);
    if (!scene.held()) faults.push(`round ${round}: the hold is gone`);
    if (!(await scene.onBlue())) faults.push(`round ${round}: the rollout that woke up moved traffic`);
  }
  return faults;
}

/** From before its claim to after its end. */
const LATEST_MS = 1800;

export async function rescueLocal(rounds: number, seed: number): Promise<string[]> {
  const site = await openLocalSite(['production']);
  site.writeConfig({ bakeMs: 50 });
  await site.run(['adopt', ...PRODUCTION, ...SURE, '--json']);
  site.keep('adopted');
  const faults = await rescueRounds(rounds, seed, {
    reset: () => site.restore('adopted'),
    promote: () => site.start(['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE, '--json']),
    rescue: () => site.run([...RESCUE, '--json']),
    held: () => existsSync(join(pointerDir(site.stateDir, SCOPE), 'hold')),
    onBlue: async () => (await site.percent('production', BLUE.ref)) === 100,
  });
  await site.close();
  return faults.map((fault) => `local: ${fault}`);
}

export async function rescueHaproxy(rounds: number, seed: number): Promise<string[]> {
  const site = await openSite({ steps: '[{ percent: 50, bake: 200ms }, { percent: 100, bake: 200ms }]' });
  const kept = `${site.stateDir}.kept`;
  cpSync(site.stateDir, kept, { recursive: true });
  const { blue, green } = site.builds;
  const sure = '--env production --confirm production --json';
  const faults = await rescueRounds(rounds, seed, {
    reset: () => {
      rmSync(site.stateDir, { recursive: true });
      cpSync(kept, site.stateDir, { recursive: true });
    },
    promote: () => site.start(`promote --build ${green.guid} ${sure}`),
    rescue: () => site.run(`rollback --break-glass --to ${blue.guid} --reason swept-by-a-test ${sure}`),
    held: () => existsSync(join(site.scopeDir, 'pointer/hold')),
    onBlue: async () => (await site.split())['blue'] === 100,
  });
  await site.close();
  return faults.map((fault) => `haproxy: ${fault}`);
}
