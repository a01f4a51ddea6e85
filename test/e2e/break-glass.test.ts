/** The emergency on real HAProxy: config, manifests, ledger and every network gone; one command, and traffic is back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BIN } from '../cli/run-cli.ts';
import { stopped } from '../crash/stopper.ts';
import { documentOf, loseCheckout, openSite, PRODUCTION, type Site } from './site.ts';

const LONG = '[{ percent: 50, bake: 10m }, { percent: 100, bake: 400ms }]';
const RESCUE = 'rollback --break-glass --env production --confirm production --reason sign-in-is-down-gateway-answers-401';

let site: Site;
beforeEach(async () => {
  site = await openSite({ steps: LONG });
});
afterEach(() => site.close());

/** In a network namespace of its own there is no TCP at all; UNIX sockets are files and stay. */
async function withoutNetwork(words: string): Promise<{ exitCode: number | null; said: string }> {
  const isRoot = process.getuid?.() === 0;
  const argv = [isRoot ? '-n' : '-rn', process.execPath, BIN, ...words.split(' ')];
  const child = spawn('unshare', argv, {
    cwd: '/',
    env: { PATH: process.env['PATH'], ...site.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, said };
}

async function bakingAtHalf() {
  const running = site.start(`promote --build ${site.builds.green.guid} ${PRODUCTION}`);
  await running.waitFor(/"type":"poll"/);
  return running;
}

it('break-glass brings the known-good build back with only the socket left, and holds all until reviewed', {
  timeout: 60_000,
}, async () => {
  const { green, amber } = site.builds;
  const running = await bakingAtHalf();
  expect(await site.split()).toEqual({ blue: 50, green: 50 });
  // Until there is a hold, a runner that looks finds its ledger gone, and goes back for that before anyone rescues.
  running.signal('SIGSTOP');
  await stopped(running.process.pid ?? 0);
  loseCheckout(site);
  const [ledger, lost] = [join(site.scopeDir, 'ledger'), join(site.checkout, 'lost-ledger')];
  renameSync(ledger, lost);

  const rescued = await withoutNetwork(RESCUE);
  expect(await site.split()).toEqual({ blue: 100 });
  expect(await site.states()).toEqual({ blue: 'ready', green: 'maint', amber: 'maint' });
  expect(await site.answers()).toEqual({ blue: 40 });
  // Nobody could ask the build itself: made, but not verified.
  expect(rescued.exitCode, rescued.said).toBe(5);
  expect(rescued.said).toContain('NOT_VERIFIED');
  // It sees the hold, or its moved ledger, and goes back to the very build that was restored.
  running.signal('SIGCONT');
  expect([5, 6]).toContain((await running.ended).exitCode);
  for (const fault of [() => site.haproxy.reload(), () => site.haproxy.restart()]) {
    await fault();
    expect(await site.split()).toEqual({ blue: 100 });
  }

  const again = await site.run(`${RESCUE} --json`);
  expect([again.exitCode, again.result.code], again.stderr).toEqual([0, null]);

  renameSync(lost, ledger);
  site.writeConfig({ steps: '[{ percent: 50, bake: 400ms }, { percent: 100, bake: 400ms }]' });
  site.writeManifest();
  for (const words of [
    `promote --build ${amber.guid} ${PRODUCTION}`,
    'resume --env production --json',
    `rollback ${PRODUCTION}`,
  ]) {
    const held = await site.run(words);
    expect([held.exitCode, held.result.code], held.stderr).toEqual([6, 'HELD']);
  }
  expect(await site.split()).toEqual({ blue: 100 });

  const reviewed = await site.run(`reconcile --bad --reason reviewed ${PRODUCTION}`);
  expect(reviewed.exitCode, reviewed.stderr).toBe(0);
  const history = await site.run('history --env production --json');
  expect(history.stdout).toContain('sign-in-is-down-gateway-answers-401');
  const bad = await site.run(`promote --build ${green.guid} ${PRODUCTION}`);
  expect([bad.exitCode, bad.result.code], bad.stderr).toEqual([3, 'BAD_BUILD']);
  const promoted = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
  expect(promoted.exitCode, promoted.stderr).toBe(0);
  expect(await site.split()).toEqual({ amber: 100 });
  expect((await site.run('pointer verify --env production --json')).exitCode).toBe(0);
});

it('break-glass first ends the runner that is still at work, even a frozen one', { timeout: 60_000 }, async () => {
  const running = await bakingAtHalf();
  running.signal('SIGSTOP');
  const rescued = await site.run(`${RESCUE} --json`);
  expect([rescued.exitCode, rescued.result.code], rescued.stderr).toEqual([0, null]);
  expect((await running.ended).exitCode).toBe(137);
  expect(await site.split()).toEqual({ blue: 100 });
  const reviewed = await site.run(`reconcile --reason reviewed ${PRODUCTION}`);
  expect(reviewed.exitCode, reviewed.stderr).toBe(0);
  expect(documentOf(await site.run('status --env production --json'))).toMatchObject({
    hold: null,
    leader: null,
    knownGood: { guid: site.builds.blue.guid },
    rollout: { phase: 'rescued' },
  });
});

it('the hold alone stops a frozen runner that break-glass could not find and end, when it wakes up', {
  timeout: 60_000,
}, async () => {
  const running = await bakingAtHalf();
  running.signal('SIGSTOP');
  await stopped(running.process.pid ?? 0);
  const [ledger, lost] = [join(site.scopeDir, 'ledger'), join(site.checkout, 'lost-ledger')];
  renameSync(ledger, lost);
  const rescued = await site.run(`${RESCUE} --json`);
  expect([rescued.exitCode, rescued.result.code], rescued.stderr).toEqual([0, null]);
  renameSync(lost, ledger);
  running.signal('SIGCONT');
  const ran = await running.ended;
  expect([ran.exitCode, ran.result.code], ran.stderr).toEqual([6, 'HELD']);
  expect(await site.split()).toEqual({ blue: 100 });
});

it('a rescue whose ledger never comes back: the serving build is adopted, and releases go on', { timeout: 60_000 }, async () => {
  const { amber } = site.builds;
  const running = await bakingAtHalf();
  // Until there is a hold, a runner that looks finds its ledger gone, and stops for that.
  running.signal('SIGSTOP');
  await stopped(running.process.pid ?? 0);
  rmSync(join(site.scopeDir, 'ledger'), { recursive: true });
  const rescued = await site.run(`${RESCUE} --json`);
  expect([rescued.exitCode, rescued.result.code], rescued.stderr).toEqual([0, null]);
  running.signal('SIGCONT');
  expect((await running.ended).exitCode).toBe(6);
  site.writeConfig({ steps: '[{ percent: 50, bake: 400ms }, { percent: 100, bake: 400ms }]' });
  const reviewed = await site.run(`reconcile --reason reviewed ${PRODUCTION}`);
  expect(reviewed.exitCode, reviewed.stderr).toBe(0);
  const refused = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
  expect([refused.exitCode, refused.result.code]).toEqual([3, 'NO_KNOWN_GOOD']);
  const adopted = await site.run(`adopt ${PRODUCTION}`);
  expect(adopted.exitCode, adopted.stderr).toBe(0);
  const promoted = await site.run(`promote --build ${amber.guid} ${PRODUCTION}`);
  expect(promoted.exitCode, promoted.stderr).toBe(0);
  expect(await site.split()).toEqual({ amber: 100 });
});
