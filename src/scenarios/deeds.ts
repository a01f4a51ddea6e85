/** What is done to the local world by hand, or happens to it, without kvdeploy. Must touch nothing outside the world's own folder. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { routesText } from '../routers/local/local-routes.ts';
import { within } from './program.ts';
import type { Act } from './scenario.ts';
import {
  backendOf,
  bringBack,
  configPath,
  loseEverything,
  manifestPath,
  memberOf,
  type World,
  writeConfig,
  writeManifest,
} from './world.ts';

export type Deed = Exclude<Act, { do: 'run' | 'begin' | 'look' }>;

/** The router follows its file within this. */
const FOLLOW_MS = 5000;

/** Long enough for a runner that woke up to do something wrong. */
const WAKE_MS = 2000;

/** Does it. What was seen of it is said, which is mostly nothing. */
export async function doDeed(deed: Deed, world: World): Promise<readonly string[]> {
  switch (deed.do) {
    case 'list':
      world.listed[deed.environment] = deed.builds;
      writeManifest(world, deed.environment);
      break;
    case 'configure':
      world.settings = deed.settings;
      writeConfig(world);
      break;
    case 'exchange': {
      const binary = memberOf(world, deed.binary);
      backendOf(world, deed.at).exchange({ ...binary, behaviour: deed.behaviour ?? binary.behaviour }, deed.when);
      break;
    }
    case 'edit':
      edit(deed, world);
      break;
    case 'undo':
      world.undo?.();
      world.undo = undefined;
      break;
    case 'route':
      await route(deed.split, world);
      break;
    case 'silence-metrics':
    case 'restore-metrics':
      world.metrics.setSilent(deed.do === 'silence-metrics');
      break;
    case 'freeze':
      world.runner?.signal('SIGSTOP');
      break;
    case 'wake':
      return [await wake(world)];
    case 'lose-everything':
      loseEverything(world);
      break;
    case 'bring-back':
      bringBack(world);
  }
  return [];
}

function edit({ file, from, to }: Extract<Deed, { do: 'edit' }>, world: World): void {
  const path = { config: configPath(world), manifest: manifestPath(world, 'production'), routes: world.routes }[file];
  const before = readFileSync(path, 'utf8');
  if (!before.includes(from)) throw new Error(`the ${file} has no ${from}`);
  replaceFile(path, before.replace(from, to));
  world.undo = () => replaceFile(path, before);
}

/** Whole or not at all: the router follows one of these files. */
function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.by-hand`, text);
  renameSync(`${path}.by-hand`, path);
}

async function route(split: Readonly<Record<string, number>>, world: World): Promise<void> {
  const wanted = new Map(Object.entries(split).map(([name, percent]) => [memberOf(world, name).place, percent]));
  const whole = [...world.backends.keys()].map((place) => ({ place, build: null, percent: wanted.get(place) ?? 0 }));
  replaceFile(world.routes, routesText(whole));
  const endsAt = performance.now() + FOLLOW_MS;
  for (;;) {
    const served = await world.edge.percents();
    if (whole.every(({ place, percent }) => (served.get(place) ?? 0) === percent)) return;
    if (performance.now() > endsAt) throw new Error('the router did not apply its routes file');
    await pause(50);
  }
}

/** Lets the frozen runner continue, if it is still there, and waits until it ended or had time to do harm. */
async function wake({ runner }: World): Promise<string> {
  runner?.signal('SIGCONT');
  const end = await within(WAKE_MS, runner?.ended ?? Promise.resolve(null), 'still running');
  await runner?.stop();
  return end === 'SIGKILL'
    ? 'break-glass ended the frozen runner'
    : `the frozen runner woke up: ${typeof end === 'number' ? `exit ${end}` : end}`;
}
