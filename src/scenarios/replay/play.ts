/** Plays the rows of an incident in order and says how each ended. A row that ends differently is counted and never mended. */
import { type Played, playAct } from './acts.ts';
import { block } from './columns.ts';
import type { Row } from './scenario.ts';
import type { Scene } from './scene.ts';

/** How a row ended. `not built yet`: nothing of it can be played in this release. */
export type Ended = 'as it must' | 'differs' | 'not built yet';

/** One row as it was played. */
export interface PlayedRow {
  readonly time: string;
  readonly control: string | null;
  readonly approach: string | null;
  readonly happened: string;
  readonly must: string;
  readonly notBuilt: readonly string[];
  readonly ended: Ended;
  readonly acts: readonly Played[];
}

/** Where the story is told, and how wide. */
export interface Telling {
  readonly say: (line: string) => void;
  readonly width: number;
}

/** Plays one row act by act, each told as soon as it ended. The first act that differs is the row's last one. */
export async function playRow(row: Row, scene: Scene, telling: Telling): Promise<PlayedRow> {
  tell(row.time, row.happened, [`must: ${row.must}`], telling);
  const acts: Played[] = [];
  for (const act of row.acts) {
    const played = await playAct(act, scene);
    acts.push(played);
    tell('', played.happened ?? '', didLines(played), telling);
    if (played.differences.length > 0) break;
  }
  for (const capability of row.notBuilt) tell('', '', [`· not built yet: ${capability}`], telling);
  telling.say('');
  const { time, control = null, approach = null, happened, must, notBuilt } = row;
  return { time, control, approach, happened, must, notBuilt, acts, ended: endOf(row, acts) };
}

function endOf({ acts: planned }: Row, acts: readonly Played[]): Ended {
  if (acts.some(({ differences }) => differences.length > 0)) return 'differs';
  return planned.length === 0 ? 'not built yet' : 'as it must';
}

function tell(time: string, left: string, right: readonly string[], { say, width }: Telling): void {
  for (const line of block(time, left, right, width)) say(line);
}

/** What kvdeploy did, and what was seen, for the right column. */
export function didLines(played: Played): readonly string[] {
  const { command, exit, code, message, seconds, seen, differences } = played;
  const mark = differences.length === 0 ? '✔' : '✖';
  const ending = exit === null ? [] : [`${mark} exit ${exit}${code === null ? '' : ` ${code}`} (${seconds?.toFixed(1)} s)`];
  const looked =
    exit === null && seen.length > 0 ? seen.map((line, index) => (index === 0 ? `${mark} ${line}` : `  ${line}`)) : [];
  return [
    ...(command === null ? [] : [`$ ${command}`]),
    ...ending,
    ...(message === null || message === '' ? [] : [`  ${message}`]),
    ...(exit === null ? looked : seen.map((line) => `  ${line}`)),
    ...differences.map((difference) => `✖ differs: ${difference}`),
  ];
}
