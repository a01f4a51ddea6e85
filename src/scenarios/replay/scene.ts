/** The local world of one incident: the demo's world with the incident's cast, metrics of its own, and a memory of what was written. */
import type { Backend } from '../demo/backend.ts';
import type { DemoBuild, Environment, Settings } from '../demo/builds.ts';
import type { Running } from '../demo/program.ts';
import { openWorld, type World } from '../demo/world.ts';
import { type MetricsBoard, startMetricsBoard } from './metrics-board.ts';
import type { Member, Scenario } from './scenario.ts';

/** A build that no place of production runs. */
const NOWHERE = 'nowhere';

export interface Scene {
  readonly scenario: Scenario;
  readonly world: World;
  readonly board: MetricsBoard;
  /** What config and manifests say now, to bring them back when they were lost. */
  settings: Settings;
  readonly listed: Map<Environment, readonly string[]>;
  /** The runner in the background. */
  runner: Running | undefined;
  /** Puts back what was last edited by hand. */
  undo: (() => void) | undefined;
}

/** Opens it with the scenario's opening: its first listed build serves everything. On any failure what was started is stopped. */
export async function openScene(scenario: Scenario, program: string): Promise<Scene> {
  const board = await startMetricsBoard();
  try {
    const [opening] = Object.keys(scenario.settings);
    const settings = settingsOf(scenario, opening ?? '', board);
    const places = Object.keys(scenario.cast).filter((name) => memberOf(scenario, name).place !== NOWHERE);
    const [first, ...others] = [...new Set([...scenario.listed.production, ...places])].map((name) => memberOf(scenario, name));
    if (first === undefined) throw new Error(`nothing serves in ${scenario.incident}`);
    const world = await openWorld({ program, show: false }, { production: [first, ...others], staging: [], settings });
    board.watch(world.backends);
    const scene: Scene = { scenario, world, board, settings, listed: new Map(), runner: undefined, undo: undefined };
    for (const environment of ['production', 'staging'] as const) list(scene, environment, scenario.listed[environment]);
    return scene;
  } catch (error) {
    await board.close();
    throw error;
  }
}

export async function closeScene(scene: Scene, keep: boolean): Promise<void> {
  await scene.world.close({ keep });
  await scene.board.close();
}

/** The member of the cast, as the demo's world knows builds. Throws for a name that is not in it. */
export function memberOf(scenario: Scenario, name: string): DemoBuild & Member {
  const member = scenario.cast[name];
  if (member === undefined) throw new Error(`${name} is not in the cast of ${scenario.incident}`);
  return member;
}

export function list(scene: Scene, environment: Environment, names: readonly string[]): void {
  scene.listed.set(environment, names);
  scene.world.writeManifest(
    environment,
    names.map((name) => memberOf(scene.scenario, name)),
  );
}

export function configure(scene: Scene, name: string): void {
  scene.settings = settingsOf(scene.scenario, name, scene.board);
  scene.world.writeConfig(scene.settings);
}

function settingsOf(scenario: Scenario, name: string, board: MetricsBoard): Settings {
  const settings = scenario.settings[name];
  if (settings === undefined) throw new Error(`${scenario.incident} has no settings called ${name}`);
  return { ...settings, gates: settings.gates.replaceAll('@metrics', board.url) };
}

/** The server at the build's place. */
export function backendOf({ scenario, world }: Scene, name: string): Backend {
  const { place } = memberOf(scenario, name);
  const found = world.backends.find(({ build }) => build.place === place);
  if (found === undefined) throw new Error(`${name} runs nowhere`);
  return found;
}
