/** The demo's scenes: what is done in each, and what must be true at its end. Must use the program as a user would. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { shortGuid } from '../../core/scope.ts';
import { BAD, type DemoBuild, GOOD, INTERRUPTED, PRODUCTION_BUILDS, SERVICE, SLOW, STAGING, TENANT } from './builds.ts';
import type { Running } from './program.ts';
import type { World } from './world.ts';

/** A scene did not end as it must. */
export class SceneFailed extends Error {}

/** Where a scene tells what it does. */
export interface Show {
  readonly world: World;
  readonly say: (line: string) => void;
}

export const SCENES = { 'wrong-env': wrongEnv, good, bad, 'sso-down': ssoDown } as const;

/** No command of the demo takes a quarter of this. */
const COMMAND_MS = 60_000;

const SURE = ['--yes', '--confirm', 'production'];

/** What serves now becomes the first known-good build; every scene needs one. */
export async function opening(stage: Show): Promise<void> {
  stage.say(
    `Visitors arrive (about 250 requests a second). What serves now, ${name(stage.world.live)}, becomes the known-good build.`,
  );
  await command(stage, ['adopt', '--env', 'production', ...SURE], 0);
  await servedBy(stage, stage.world.live);
}

async function wrongEnv(stage: Show): Promise<void> {
  const { world, say } = stage;
  const promote = ['promote', '--env', 'production', '--build', STAGING.guid, ...SURE];
  say(`Somebody promotes ${name(STAGING)}, a staging build, to production.`);
  await command(stage, promote, 3);
  await servedBy(stage, world.live);
  say('A faulty listing also puts that build among the production builds, as it happened in October 2023.');
  world.writeManifest('production', [...PRODUCTION_BUILDS, { ...STAGING, sequence: 99 }]);
  await command(stage, promote, 3);
  await servedBy(stage, world.live);
  world.writeManifest('production', PRODUCTION_BUILDS);
  say('✔ refused both times; production never saw it');
}

async function good(stage: Show): Promise<void> {
  const { world, say } = stage;
  say(`${name(GOOD)} goes out: 5 %, 25 %, 100 %, each step judged by its answers.`);
  await command(stage, ['promote', '--env', 'production', '--build', GOOD.guid, ...SURE], 0);
  world.live = GOOD;
  await servedBy(stage, GOOD);
  say(`✔ promoted; ${name(GOOD)} is the known-good build now`);
}

async function bad(stage: Show): Promise<void> {
  const { world, say } = stage;
  say(`${name(BAD)} looks healthy, but fails every fifth request as soon as it gets traffic.`);
  const before = world.load.total().failed;
  await command(stage, ['promote', '--env', 'production', '--build', BAD.guid, ...SURE], 4);
  await servedBy(stage, world.live);
  const reached = await served(world, BAD);
  if (reached === 0) throw new SceneFailed('the bad build never got any traffic, so nothing was shown');
  const failed = world.load.total().failed - before;
  say(`✔ taken back by itself: ${reached} requests reached it, ${failed} failed; at 100 % it would have been about 50 a second`);
}

async function ssoDown(stage: Show): Promise<void> {
  const { world, say } = stage;
  say(
    `${name(INTERRUPTED)} is half way out when everything else goes down. (Sign-in itself is not there yet; everything that it would guard is taken away.)`,
  );
  world.writeConfig(SLOW);
  const runner = await promoteHalfWay(stage);
  runner.signal('SIGSTOP');
  world.loseEverything();
  say('Gone: the runner (frozen), the config, the manifests, the metrics. Left: local disk and the router.');
  // Tenant and service are named because this machine may hold other states; where it holds one, they may be left out.
  const scope = ['--tenant', TENANT, '--env', 'production', '--service', SERVICE];
  const rescue = ['rollback', '--break-glass', ...scope, '--reason', 'demo: sign-in is down', '--confirm', 'production'];
  await command(stage, rescue, 0, join(world.folder, 'empty'));
  await servedBy(stage, world.live);
  const leaked = await served(world, INTERRUPTED);
  await wake(stage, runner);
  await servedBy(stage, world.live);
  if ((await served(world, INTERRUPTED)) !== leaked)
    throw new SceneFailed(`requests reached ${name(INTERRUPTED)} after the rescue`);
  say(`✔ back on ${name(world.live)} with one command, and the woken runner moved nothing`);
}

async function promoteHalfWay({ world, say }: Show): Promise<Running> {
  const args = ['promote', '--env', 'production', '--build', INTERRUPTED.guid, ...SURE];
  say(`$ kvdeploy ${args.join(' ')} &`);
  const runner = world.startInBackground(args, (line) => say(`  | ${line}`));
  const endsAt = performance.now() + 20_000;
  while ((await percentOf(world, INTERRUPTED)) !== 50) {
    if (!runner.isRunning()) throw new SceneFailed(`the promotion ended with ${await runner.ended} instead of going on`);
    if (performance.now() > endsAt) throw new SceneFailed('the promotion did not reach its first step within 20 s');
    await pause(50);
  }
  // Long enough to be baking, so that the runner is frozen in the middle of its watch.
  await pause(1000);
  return runner;
}

/** Lets the frozen runner go on, if break-glass left it alive, and watches that it moves nothing. */
async function wake({ world, say }: Show, runner: Running): Promise<void> {
  runner.signal('SIGCONT');
  const first = await Promise.race([runner.ended, pause(2500, 'still running')]);
  say(
    first === 'SIGKILL'
      ? 'The frozen runner was ended by the rescue.'
      : `The frozen runner wakes up: ${first === 'still running' ? first : `it ends with ${first}`}.`,
  );
  if ((await percentOf(world, world.live)) !== 100) throw new SceneFailed('the woken runner moved traffic');
  if (existsSync(join(world.workplace, 'kvdeploy.config.yaml'))) throw new SceneFailed('the config came back');
  await runner.stop();
}

/** Runs the program in front of everybody and insists on its exit code. */
async function command({ world, say }: Show, args: readonly string[], exitCode: number, cwd = world.workplace): Promise<void> {
  say(`$ kvdeploy ${args.map((arg) => (/^[\w.,:/-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')}`);
  const late = new AbortController();
  const tooLate = pause(COMMAND_MS, 'no end within a minute', { signal: late.signal }).catch(() => 'an end');
  const ended = await Promise.race([world.run(args, { cwd }), tooLate]);
  late.abort();
  if (ended !== exitCode) throw new SceneFailed(`kvdeploy ${args[0]} ended with ${ended} instead of ${exitCode}`);
  say(`  exit ${exitCode}`);
}

/** Insists that every one of the next 200 requests is answered by `build`, by the router's word and by the build's own. */
async function servedBy({ world, say }: Show, build: DemoBuild): Promise<void> {
  if ((await percentOf(world, build)) !== 100) throw new SceneFailed(`the router does not give everything to ${name(build)}`);
  const seen = await world.load.sample(200);
  const own = seen.byGuid.get(build.guid) ?? 0;
  if (own !== seen.requests)
    throw new SceneFailed(`${seen.requests - own} of ${seen.requests} requests were not answered by ${name(build)}`);
  if (seen.failed > 0) throw new SceneFailed(`${seen.failed} of ${seen.requests} requests failed on ${name(build)}`);
  say(`  traffic: ${seen.requests} of the last ${seen.requests} visitors were served by ${name(build)}`);
}

async function percentOf(world: World, build: DemoBuild): Promise<number> {
  const { split } = await world.status();
  return split.find((share) => share.place === build.place)?.percent ?? 0;
}

async function served(world: World, build: DemoBuild): Promise<number> {
  const { served: counts } = await world.status();
  return counts[build.place] ?? 0;
}

function name(build: DemoBuild): string {
  return `${build.version} (${shortGuid(build.guid)})`;
}
