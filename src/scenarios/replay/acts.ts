/** Plays one act and says what kvdeploy really did, and where that is not what must be. Must judge by what was seen, never by intent. */
import { setTimeout as pause } from 'node:timers/promises';
import { doDeed } from './deeds.ts';
import { type Look, look, lookAtLedger, servedCounts } from './look.ts';
import { commandText, type Ran, runProgram, wordsOf } from './program-run.ts';
import type { Act, RunAct } from './scenario.ts';
import { memberOf, type Scene } from './scene.ts';

const BEGIN_MS = 20_000;

/** One act as it was played. */
export interface Played {
  /** For the left column. */
  readonly happened: string | null;
  readonly command: string | null;
  /** Of the command; null where there was none, or where it goes on in the background. */
  readonly exit: number | string | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly seconds: number | null;
  /** What was seen in the world afterwards. */
  readonly seen: readonly string[];
  /** Empty when everything was as it must be. */
  readonly differences: readonly string[];
}

const NOTHING = { command: null, exit: null, code: null, message: null, seconds: null, seen: [], differences: [] };

/** Plays it. Rejects only where the world itself breaks. */
export async function playAct(act: Act, scene: Scene): Promise<Played> {
  const happened = act.happened ?? null;
  switch (act.do) {
    case 'run':
      return { happened, ...(await run(act, scene)) };
    case 'begin':
      return { happened, ...(await begin(act, scene)) };
    case 'look':
      return { ...NOTHING, happened, ...(await look(act, await servedCounts(scene), scene)) };
    default:
      await doDeed(act, scene);
      return { ...NOTHING, happened };
  }
}

async function run(act: RunAct, scene: Scene): Promise<Omit<Played, 'happened'>> {
  const before = await servedCounts(scene);
  const ran = await runProgram(act.args, act.from, scene);
  const looks: readonly Look[] = [
    ...(act.ledger === undefined ? [] : [lookAtLedger(act.ledger, ran.documents.get('history'))]),
    await look(act, before, scene),
  ];
  return {
    command: ran.command,
    exit: ran.exit,
    code: ran.code ?? null,
    message: ran.message,
    seconds: ran.seconds,
    seen: looks.flatMap(({ seen }) => seen),
    differences: [...differencesOf(act, ran), ...looks.flatMap(({ differences }) => differences)],
  };
}

/** Where the command's own end is not what it must be. */
function differencesOf(act: RunAct, ran: Ran): readonly string[] {
  const wanted = `exit ${act.exit}${act.code === null ? '' : ` ${act.code}`}`;
  const ended = ran.exit === act.exit && ran.code === act.code;
  return [
    ...(ended ? [] : [`it must end with ${wanted}`]),
    ...(act.says === undefined || new RegExp(act.says, 'i').test(ran.message) ? [] : [`it must say /${act.says}/`]),
    ...(act.withinSeconds === undefined || ran.seconds <= act.withinSeconds
      ? []
      : [`it must end within ${act.withinSeconds} s, not ${ran.seconds.toFixed(1)} s`]),
  ];
}

async function begin(act: Extract<Act, { do: 'begin' }>, scene: Scene): Promise<Omit<Played, 'happened'>> {
  const { world, scenario } = scene;
  const said: string[] = [];
  const { place } = memberOf(scenario, act.until);
  const runner = world.startInBackground([...wordsOf(act.args, scene), '--json'], (line) => said.push(line));
  scene.runner = runner;
  const command = `${commandText(act.args, scene)} &`;
  const endsAt = performance.now() + BEGIN_MS;
  for (;;) {
    const { split } = await world.status();
    // Baking, so that it is frozen in the middle of its watch and not half way through a line of the ledger.
    const isBaking = said.some((line) => line.includes('"phase":"baking"'));
    if (isBaking && split.some((share) => share.place === place && share.percent === act.percent))
      return { ...NOTHING, command, seen: [`router: ${act.percent} % at ${place}`] };
    const problem = runner.isRunning() ? undefined : `it ended with ${await runner.ended}: ${said.at(-1) ?? ''}`;
    if (problem !== undefined || performance.now() > endsAt)
      return { ...NOTHING, command, differences: [problem ?? `it must reach ${act.percent} % within ${BEGIN_MS / 1000} s`] };
    await pause(50);
  }
}
