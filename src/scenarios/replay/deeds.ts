/** Does to the local world what happened then. Must touch nothing outside the world's own folder. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { routesText } from '../../routers/local/local-routes.ts';
import { SERVICE } from '../demo/builds.ts';
import type { Act } from './scenario.ts';
import { backendOf, configure, list, memberOf, type Scene } from './scene.ts';

/** What is done without a word of kvdeploy. */
export type Deed = Exclude<Act, { do: 'run' | 'begin' | 'look' }>;

/** The router follows its file within this. */
const FOLLOW_MS = 5000;

/** Long enough for a runner that woke up to do something wrong. */
const WAKE_MS = 2000;

export async function doDeed(deed: Deed, scene: Scene): Promise<void> {
  const { scenario, world, board } = scene;
  switch (deed.do) {
    case 'list':
      return list(scene, deed.environment, deed.builds);
    case 'configure':
      return configure(scene, deed.settings);
    case 'exchange': {
      const binary = memberOf(scenario, deed.binary);
      return backendOf(scene, deed.at).exchange({ ...binary, behaviour: deed.behaviour ?? binary.behaviour }, deed.when);
    }
    case 'edit':
      return edit(deed, scene);
    case 'undo':
      scene.undo?.();
      scene.undo = undefined;
      return;
    case 'route':
      return route(deed.split, scene);
    case 'silence-metrics':
      return board.setSilent(true);
    case 'restore-metrics':
      return board.setSilent(false);
    case 'freeze':
      return scene.runner?.signal('SIGSTOP');
    case 'wake':
      return wake(scene);
    case 'lose-everything':
      return world.loseEverything();
    case 'bring-back':
      return bringBack(scene);
  }
}

function edit({ file, from, to }: Extract<Deed, { do: 'edit' }>, scene: Scene): void {
  const { workplace, routes } = scene.world;
  const path = {
    config: join(workplace, 'kvdeploy.config.yaml'),
    manifest: join(workplace, 'releases', 'production', `${SERVICE}.yaml`),
    routes,
  }[file];
  const before = readFileSync(path, 'utf8');
  if (!before.includes(from)) throw new Error(`the ${file} has no ${from}`);
  replaceFile(path, before.replace(from, to));
  scene.undo = () => replaceFile(path, before);
}

/** Whole or not at all: the router follows one of these files. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.by-hand`, text);
  renameSync(`${path}.by-hand`, path);
}

async function route(split: Readonly<Record<string, number>>, scene: Scene): Promise<void> {
  const { scenario, world } = scene;
  const wanted = Object.entries(split).map(([name, percent]) => ({ place: memberOf(scenario, name).place, percent }));
  const places = world.backends.map(({ build }) => build.place);
  const percentOf = (place: string) => wanted.find((share) => share.place === place)?.percent ?? 0;
  replaceFile(world.routes, routesText(places.map((place) => ({ place, build: null, percent: percentOf(place) }))));
  const endsAt = performance.now() + FOLLOW_MS;
  for (;;) {
    const { split: served } = await world.status();
    if (served.every(({ place, percent }) => percent === percentOf(place))) return;
    if (performance.now() > endsAt) throw new Error('the router did not follow its file');
    await pause(50);
  }
}

/** Lets the frozen runner go on, if it is still there, and waits until it ended or had time to do harm. */
async function wake({ runner }: Scene): Promise<void> {
  runner?.signal('SIGCONT');
  await Promise.race([runner?.ended, pause(WAKE_MS)]);
  await runner?.stop();
}

function bringBack(scene: Scene): void {
  scene.world.restore(scene.settings);
  for (const [environment, names] of scene.listed) list(scene, environment, names);
}
