/**
 * A rollout in another container that nobody can end, stopped between its last look and its change, and woken after somebody else went back. On real
 * HAProxy, by the real commands: the second application must be the last word. Must not decide what is expected of a round.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { BIN } from '../cli/run-cli.ts';
import { openSite, PRODUCTION, type Ran, type Site } from '../e2e/site.ts';
import { until } from '../servers/program.ts';
import { contained, IN_CONTAINER, stopped, stopping } from './stopper.ts';

/** Who goes back, and whether the frozen one wakes before or after HAProxy has closed its idle connection. */
export interface Wake {
  readonly by: 'abort' | 'break-glass';
  readonly wakes: 'in time' | 'too late';
}

export interface Woken {
  readonly back: Ran;
  /** The split that the change of the frozen one made, where it still arrived, and how long that stood. */
  readonly stale: { readonly split: Readonly<Record<string, number>>; readonly ms: number } | null;
  /** What the frozen one said when it ended. */
  readonly said: string;
  /** After both had ended. */
  readonly split: Readonly<Record<string, number>>;
}

const STEPS = '[{ percent: 25, bake: 200ms }, { percent: 50, bake: 200ms }, { percent: 100, bake: 200ms }]';
const ARRIVES_WITHIN_MS = 3000;
const BACK = { blue: 100 };

const same = (one: object, other: object) => JSON.stringify(one) === JSON.stringify(other);

/** True when this process may have a pid namespace of its own. Otherwise: fails under CI, and says what is left out elsewhere. */
export function mayContain(rounds: number): boolean {
  try {
    execFileSync('unshare', [...IN_CONTAINER.slice(1), 'true'], { stdio: 'pipe' });
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    console.log(`SKIPPED ${rounds} leaders in another container: a pid namespace of one's own needs root`);
    return false;
  }
}

/** One round in a site of its own: frozen before its `nth` shift, from the second on. */
export async function wakeUp({ by, wakes }: Wake, stopper: string, nth: number): Promise<Woken> {
  const site = await openSite({ steps: STEPS });
  const frozen = promoteElsewhere(site, stopping(stopper, 'haproxy', nth));
  try {
    const pid = await frozen.pid();
    await stopped(pid);
    const going = site.start(commandOf(by, site));
    // Nothing but the first application brings this about, and only then does anything stale count.
    await until('the first application', async () => (same(await site.split(), BACK) ? true : undefined), 20_000);
    if (wakes === 'too late') await going.ended;
    process.kill(pid, 'SIGCONT');
    const stale = wakes === 'in time' ? await arrival(site, going.ended) : null;
    const back = await going.ended;
    const said = await frozen.ended;
    return { back, stale, said, split: await site.split() };
  } finally {
    frozen.end();
    await site.close();
  }
}

function commandOf(by: Wake['by'], { builds }: Site): string {
  if (by === 'abort') return 'abort --env production --reason it-does-not-answer --json';
  return `rollback --break-glass --to ${builds.blue.guid} --reason it-does-not-answer ${PRODUCTION}`;
}

/** It has a pid namespace of its own, as in a container, so that nobody here can see or end it. */
function promoteElsewhere(site: Site, env: Readonly<Record<string, string>>) {
  const words = `promote --build ${site.builds.green.guid} ${PRODUCTION}`.split(' ');
  const argv = [...IN_CONTAINER.slice(1), process.execPath, BIN, ...words];
  const child = spawn('unshare', argv, {
    cwd: site.checkout,
    env: { PATH: process.env['PATH'], ...site.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  return {
    /** Of node, as it is called out here. */
    pid: () => contained(child.pid ?? 0),
    end: () => child.kill('SIGKILL'),
    ended: closed.then(() => said),
  };
}

/** Watches the router until the stale change has arrived and was put right, or until it no longer can. */
async function arrival(site: Site, ended: Promise<Ran>): Promise<Woken['stale']> {
  const look = async () => {
    const split = await site.split();
    return same(split, BACK) ? undefined : split;
  };
  const split = await until('the stale change', look, ARRIVES_WITHIN_MS).catch(() => null);
  if (split === null) return null;
  const beganMs = performance.now();
  await until('the second application', async () => ((await look()) === undefined ? true : undefined), 20_000).catch(() => ended);
  return { split, ms: performance.now() - beganMs };
}
