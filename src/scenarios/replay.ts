/** Shows an incident in two columns, what happened and what kvdeploy did, and says how its rows ended. Must know no shortcut that a user does not have. */
import july2023 from '../../fixtures/scenarios/2023-07.json' with { type: 'json' };
import october2023 from '../../fixtures/scenarios/2023-10-30.json' with { type: 'json' };
import { checksAlone } from './checks-alone.ts';
import { type Ended, type Played, type PlayedRow, type PlayOptions, play, type Telling, type Unfinished } from './player.ts';
import { block, type Control, controlLines, controlsOf } from './replay-text.ts';
import { type Scenario, scenarioSchema } from './scenario.ts';

const INCIDENTS = { '2023-10-30': october2023, '2023-07': july2023 } as const;

export type IncidentName = keyof typeof INCIDENTS;

export const INCIDENT_NAMES = Object.keys(INCIDENTS) as readonly IncidentName[];

export function incident(name: IncidentName): Scenario {
  return scenarioSchema.parse(INCIDENTS[name]);
}

const REPLAY_MS = 60_000;

export interface ReplayOptions extends Pick<PlayOptions, 'keep' | 'program' | 'signal'> {
  /** Columns of the terminal. */
  readonly width: number;
}

/** What came out. */
export interface Replayed {
  readonly incident: string;
  readonly title: string;
  readonly source: string;
  readonly rows: readonly PlayedRow[];
  /** Each control of the incident alone; none if the incident has no such table. */
  readonly controls: readonly Control[];
  readonly summary: Summary;
}

type Summary = ReturnType<typeof count> & Pick<Ended, 'requests' | 'failed' | 'seconds'>;

/** Replays it and tells the story as it goes. Never rejects; the world is gone afterwards. */
export async function replay(
  name: IncidentName,
  { width, ...options }: ReplayOptions,
  say: (line: string) => void,
): Promise<Replayed | Unfinished> {
  const scenario = incident(name);
  const { title, source = '' } = scenario;
  say(`${name}: ${title}`);
  say(`${source}; times are UTC.`);
  say('The replay sends real requests and runs the real program, on 127.0.0.1 only.\n');
  for (const line of block('time', 'what happened', ['what kvdeploy did'], width)) say(line);
  say('');
  const outcome = await play(scenario, { ...options, limitMs: REPLAY_MS, stopsAtDifference: false }, tellingOf(width, say));
  if ('unfinished' in outcome) return outcome;
  const { rows, ...counted } = outcome;
  const controls = controlsOf(scenario.checks ? checksAlone(scenario) : [], rows);
  for (const line of controlLines(controls, width)) say(line);
  if (controls.length > 0) say('');
  const summary = { ...count(rows, controls), ...counted };
  say(summaryText(summary));
  return { incident: name, title, source, rows, controls, summary };
}

/** An act is told when it ended, so that what happened and what kvdeploy did stand in one block. */
function tellingOf(width: number, say: (line: string) => void): Telling {
  const tell = (time: string, left: string, right: readonly string[]) => {
    for (const line of block(time, left, right, width)) say(line);
  };
  let isOpening = true;
  return {
    output: 'read',
    say,
    row: ({ name, happened, must }) => {
      isOpening = false;
      tell(name, happened, [`expected: ${must}`]);
    },
    begins: () => undefined,
    hears: () => undefined,
    ended: (act) => {
      if (!isOpening) tell('', act.happened ?? '', didLines(act));
    },
    rowEnded: ({ notBuilt }) => {
      for (const capability of notBuilt) tell('', '', [`· not available yet: ${capability}`]);
      say('');
    },
  };
}

/** What kvdeploy did, and what was seen, for the right column. */
function didLines({ command, exit, code, message, seconds, seen, differences }: Played): readonly string[] {
  const mark = differences.length === 0 ? '✔' : '✖';
  const ending = exit === null ? [] : [`${mark} exit ${exit}${code === null ? '' : ` ${code}`} (${seconds?.toFixed(1)} s)`];
  return [
    ...(command === null ? [] : [`$ ${command}`]),
    ...ending,
    ...(message === null || message === '' ? [] : [`  ${message}`]),
    ...seen.map((line, index) => `${exit === null && index === 0 ? mark : ' '} ${line}`),
    ...differences.map((difference) => `✖ differs: ${difference}`),
  ];
}

function count(rows: readonly PlayedRow[], controls: readonly Control[]) {
  const ended = (how: PlayedRow['ended']) => rows.filter((row) => row.ended === how).length;
  return {
    asTheyMust: ended('as it must'),
    differ: ended('differs'),
    notBuiltRows: ended('not built yet'),
    /** Capabilities that are missing, in whatever row. */
    notBuilt: rows.flatMap(({ notBuilt }) => notBuilt),
    controls: controls.length,
    letThrough: controls.filter(({ stoppedBy }) => stoppedBy === null).length,
  };
}

function summaryText(summary: Summary): string {
  const { asTheyMust, differ, notBuiltRows, notBuilt, controls, letThrough, requests, failed, seconds } = summary;
  return [
    `rows      ${asTheyMust} ended as expected, ${differ} differently, ${notBuiltRows} cannot be replayed yet`,
    ...(controls === 0 ? [] : [`controls  ${controls - letThrough} of ${controls} stopped it on their own`]),
    ...notBuilt.map((capability) => `not available yet: ${capability}`),
    `${seconds} s, ${requests} requests, ${failed} failed (those that reached a bad build while it had traffic)`,
  ].join('\n');
}
