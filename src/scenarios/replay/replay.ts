/** Replays an incident: the real program against a local world, loopback only, bounded, nothing left. Must know no shortcut that a user has not. */
import { block } from './columns.ts';
import { type Control, controlLines, controlsOf } from './controls.ts';
import { INCIDENT_NAMES, type IncidentName, scenarioOf } from './incidents.ts';
import { locksAlone } from './locks.ts';
import { type PlayedRow, playRow, type Telling } from './play.ts';
import { runProgram } from './program-run.ts';
import type { Scenario } from './scenario.ts';
import { closeScene, openScene, type Scene } from './scene.ts';

export { INCIDENT_NAMES, type IncidentName };

/** The longest that a replay may take; it is ended then. */
const REPLAY_MS = 60_000;

export interface ReplayOptions {
  /** Leaves the temporary folder there, to be looked at. */
  readonly keep: boolean;
  /** bin/kvdeploy.js: the program that is shown. */
  readonly program: string;
  /** Columns of the terminal. */
  readonly width: number;
  /** Ends the replay early; everything is cleaned up. */
  readonly signal: AbortSignal;
}

/** What came out. */
export interface Replayed {
  readonly incident: string;
  readonly title: string;
  readonly source: string;
  readonly rows: readonly PlayedRow[];
  /** Each control of the incident alone; none where the incident has no such table. */
  readonly controls: readonly Control[];
  readonly summary: {
    readonly asTheyMust: number;
    readonly differ: number;
    readonly notBuiltRows: number;
    /** Capabilities that are missing, in whatever row. */
    readonly notBuilt: readonly string[];
    readonly controls: number;
    readonly letThrough: number;
    readonly requests: number;
    readonly failed: number;
    readonly seconds: number;
  };
}

/** Why there is no outcome. */
export type Unfinished = { readonly unfinished: 'interrupted' | 'too long' | 'broken'; readonly why: string };

/** Replays it and tells the story as it goes. Never rejects; the world is gone afterwards. */
export async function replay(
  name: IncidentName,
  options: ReplayOptions,
  say: (line: string) => void,
): Promise<Replayed | Unfinished> {
  const startedAt = performance.now();
  const scenario = scenarioOf(name);
  const telling = { say, width: options.width };
  say(`${scenario.incident}: ${scenario.title}`);
  say(`${scenario.source}; times are UTC. Here: 127.0.0.1 only, real requests, the real program.\n`);
  const ending = endingOf(options.signal);
  let scene: Scene | undefined;
  try {
    scene = await openScene(scenario, options.program);
    return await Promise.race([play(scenario, scene, telling, startedAt), ending.ended]);
  } catch (error) {
    return { unfinished: 'broken', why: error instanceof Error ? error.message : String(error) };
  } finally {
    ending.stop();
    if (scene !== undefined) await closeScene(scene, options.keep);
    if (options.keep && scene !== undefined) say(`Left to look at: ${scene.world.folder}`);
  }
}

async function play(scenario: Scenario, scene: Scene, telling: Telling, startedAt: number): Promise<Replayed> {
  await adopt(scene);
  for (const line of block('time', 'what happened', ['what kvdeploy did'], telling.width)) telling.say(line);
  telling.say('');
  const rows: PlayedRow[] = [];
  for (const row of scenario.rows) rows.push(await playRow(row, scene, telling));
  const controls = controlsOf(scenario.locks ? locksAlone(scenario) : [], rows);
  for (const line of controlLines(controls, telling.width)) telling.say(line);
  if (controls.length > 0) telling.say('');
  const { incident, title, source } = scenario;
  const { requests, failed } = scene.world.load.total();
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const summary = { ...count(rows, controls), requests, failed, seconds };
  telling.say(summaryText(summary));
  return { incident, title, source, rows, controls, summary };
}

/** What serves becomes the first known-good build; every incident begins after that. */
async function adopt(scene: Scene): Promise<void> {
  const ran = await runProgram('adopt --env production --confirm production', undefined, scene);
  if (ran.exit !== 0) throw new Error(`adopt ended with ${ran.exit}: ${ran.message}`);
}

function count(rows: readonly PlayedRow[], controls: readonly Control[]) {
  const ended = (how: PlayedRow['ended']) => rows.filter((row) => row.ended === how).length;
  return {
    asTheyMust: ended('as it must'),
    differ: ended('differs'),
    notBuiltRows: ended('not built yet'),
    notBuilt: rows.flatMap(({ notBuilt }) => notBuilt),
    controls: controls.length,
    letThrough: controls.filter(({ stoppedBy }) => stoppedBy === null).length,
  };
}

function summaryText(summary: Replayed['summary']): string {
  const { asTheyMust, differ, notBuiltRows, notBuilt, controls, letThrough, requests, failed, seconds } = summary;
  return [
    `rows      ${asTheyMust} ended as they must, ${differ} differently, ${notBuiltRows} cannot be played yet`,
    ...(controls === 0 ? [] : [`controls  ${controls - letThrough} of ${controls} stopped it alone`]),
    ...notBuilt.map((capability) => `not built yet: ${capability}`),
    `${seconds} s, ${requests} requests, ${failed} failed: those that reached a bad build while it had traffic`,
  ].join('\n');
}

/** Resolves when the replay was interrupted or takes too long. */
function endingOf(signal: AbortSignal): { readonly ended: Promise<Unfinished>; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<Unfinished>((resolve) => {
    const interrupted = () => resolve({ unfinished: 'interrupted', why: 'The replay was interrupted.' });
    if (signal.aborted) interrupted();
    signal.addEventListener('abort', interrupted, { once: true });
    const why = `The replay was not over within ${REPLAY_MS / 1000} s.`;
    timer = setTimeout(() => resolve({ unfinished: 'too long', why }), REPLAY_MS);
  });
  return { ended, stop: () => clearTimeout(timer) };
}
