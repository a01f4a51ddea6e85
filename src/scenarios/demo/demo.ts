/** The demo: real HTTP, the real program, loopback only, bounded, nothing left. Must not know a shortcut that a user does not have. */
import { PRODUCTION_BUILDS, QUICK, STAGING } from './builds.ts';
import { opening, SCENES, SceneFailed, type Show } from './scenes.ts';
import { openWorld, type World } from './world.ts';

export type SceneName = keyof typeof SCENES | 'tour';

export const SCENE_NAMES: readonly SceneName[] = ['good', 'bad', 'wrong-env', 'sso-down', 'tour'];

const CAST = { production: PRODUCTION_BUILDS, staging: [STAGING], settings: QUICK };

const TOUR = ['wrong-env', 'good', 'bad', 'sso-down'] as const;

export interface DemoOptions {
  /** Leaves the temporary folder there, to be looked at. */
  readonly keep: boolean;
  /** bin/kvdeploy.js: the program that is shown. */
  readonly program: string;
  /** False: what the program prints is thrown away. */
  readonly show: boolean;
  /** Ends the demo early; everything is cleaned up. */
  readonly signal: AbortSignal;
}

/** Plays one scene, or all of them. Resolves with 0 only when every scene ended as it must, 130 when it was interrupted, else 1. */
export async function demo(scene: SceneName, options: DemoOptions, say: (line: string) => void): Promise<number> {
  const startedAt = performance.now();
  say('kvdeploy demo: four builds of one service, one router, real requests; only on 127.0.0.1, nothing leaves this machine');
  let world: World | undefined;
  try {
    world = await openWorld(options, CAST);
    const ended = await Promise.race([play(scene, { world, say }), interruption(options.signal)]);
    if (ended === 'interrupted') return 130;
    const { requests, failed } = world.load.total();
    say(`\n✔ ${scene} ended as it must: ${seconds(startedAt)}, ${requests} requests, ${failed} failed`);
    return 0;
  } catch (error) {
    say(`\n✖ ${scene} did not end as it must: ${error instanceof Error ? error.message : String(error)}`);
    if (!(error instanceof SceneFailed) && error instanceof Error) say(error.stack ?? '');
    return 1;
  } finally {
    await world?.close(options);
    if (options.keep && world !== undefined) say(`Left to look at: ${world.folder}`);
  }
}

async function play(scene: SceneName, stage: Show): Promise<void> {
  const scenes = scene === 'tour' ? TOUR : [scene];
  stage.say('\n── the opening');
  await opening(stage);
  for (const each of scenes) {
    stage.say(`\n── ${each}`);
    await SCENES[each](stage);
  }
}

function interruption(signal: AbortSignal): Promise<'interrupted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('interrupted');
    signal.addEventListener('abort', () => resolve('interrupted'), { once: true });
  });
}

function seconds(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}
