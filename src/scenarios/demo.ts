/** Shows the demo: what happens, each command with its own output, what the visitors see. Must use the program as a user would. */
import demoJson from '../../fixtures/scenarios/demo.json' with { type: 'json' };
import { type PlayOptions, play, problemOf, type Telling } from './player.ts';
import { type Scenario, scenarioSchema } from './scenario.ts';

const TOUR = 'tour';

/** The visitors leave then. */
const DEMO_MS = 150_000;

/** The rows of the scenario, and all of them in one. */
export const SCENE_NAMES: readonly string[] = [...demoJson.rows.map(({ name }) => name), TOUR];

export function demoScenario(): Scenario {
  return scenarioSchema.parse(demoJson);
}

export interface DemoOptions extends Pick<PlayOptions, 'keep' | 'program' | 'router' | 'signal'> {
  /** False: the output of the commands is thrown away. */
  readonly show: boolean;
}

/** Plays one scene, or all of them. Resolves with 0 only when every scene ended as expected, 130 when it was interrupted, else 1. Rejects where the router does not start. */
export async function demo(scene: string, { show, ...options }: DemoOptions, say: (line: string) => void): Promise<number> {
  const whole = demoScenario();
  const rows = whole.rows.filter(({ name }) => scene === TOUR || name === scene);
  say(`kvdeploy demo: ${whole.title}\n\n── setup`);
  const limits = { limitMs: DEMO_MS, stopsAtDifference: true };
  const outcome = await play({ ...whole, rows }, { ...options, ...limits }, tellingOf(show, say));
  if ('unfinished' in outcome && outcome.unfinished === 'interrupted') return 130;
  const problem = 'unfinished' in outcome ? outcome.why : problemOf(outcome.rows.at(-1)?.acts ?? []);
  if ('unfinished' in outcome || problem !== undefined) {
    say(`\n✖ ${scene} did not end as expected: ${problem}`);
    return 1;
  }
  const { seconds, requests, failed } = outcome;
  say(`\n✔ ${scene} ended as expected: ${seconds.toFixed(1)} s, ${requests} requests, ${failed} failed`);
  return 0;
}

function tellingOf(show: boolean, say: (line: string) => void): Telling {
  return {
    output: show ? 'shown' : 'hidden',
    say,
    row: ({ name, happened }) => say(`\n── ${name}\n${happened}`),
    begins: ({ happened, command }) => {
      if (happened !== null) say(happened);
      if (command !== null) say(`$ ${command}`);
    },
    hears: (line) => say(`  | ${line}`),
    ended: ({ exit, seen }) => {
      if (exit !== null) say(`  exit ${exit}`);
      for (const line of seen) say(`  ${line}`);
    },
    rowEnded: ({ must, ended }) => {
      if (ended === 'as it must') say(`✔ ${must}`);
    },
  };
}
