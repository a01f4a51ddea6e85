/** The one player of scenarios: opens the local world, plays acts in order, compares. Must judge by what was seen, and correct nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import { KvdeployError } from '../core/errors.ts';
import { shortGuid } from '../core/scope.ts';
import { doDeed } from './deeds.ts';
import type { Installed } from './edge/edge.ts';
import { both, countsOf, type Look, look, lookAtLedger } from './look.ts';
import { endOf, saidIn } from './program.ts';
import type { Act, Row, RunAct, Scenario } from './scenario.ts';
import { closeWorld, memberOf, openWorld, start, type World } from './world.ts';

const BEGIN_MS = 20_000;

/** One act as it was played. */
export interface Played {
  readonly happened: string | null;
  readonly command: string | null;
  /** Of the command; null if there was none, or if it continues in the background. */
  readonly exit: number | string | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly seconds: number | null;
  /** What was seen in the world afterwards. */
  readonly seen: readonly string[];
  /** Empty when everything was as expected. */
  readonly differences: readonly string[];
}

/** One row as it was played, in the words of a replay's document. `not built yet`: nothing of it can be played in this release. */
export interface PlayedRow {
  readonly time: string;
  readonly control: string | null;
  readonly approach: string | null;
  readonly happened: string;
  readonly must: string;
  readonly notBuilt: readonly string[];
  readonly ended: 'as it must' | 'differs' | 'not built yet';
  readonly acts: readonly Played[];
}

/** How a scenario is shown. */
export interface Telling {
  /** Where the output of commands goes. `read`: they run with --json, and what they say is compared too. */
  readonly output: 'shown' | 'hidden' | 'read';
  say(line: string): void;
  row(row: Row): void;
  /** Before an act is played. */
  begins(act: Pick<Played, 'happened' | 'command'>): void;
  /** A line of the program in the background. */
  hears(line: string): void;
  ended(act: Played): void;
  rowEnded(row: PlayedRow): void;
}

export interface PlayOptions {
  /** Leaves the temporary folder there, to be looked at. */
  readonly keep: boolean;
  /** bin/kvdeploy.js: the program that is run. */
  readonly program: string;
  /** A router of this machine in place of the one that kvdeploy brings. */
  readonly router?: Installed | undefined;
  /** Ends it early; everything is cleaned up. */
  readonly signal: AbortSignal;
  /** The longest that it may take. */
  readonly limitMs: number;
  /** Whether the first row that differs is the last one. */
  readonly stopsAtDifference: boolean;
}

/** A scenario that was played to its end. */
export interface Ended {
  readonly rows: readonly PlayedRow[];
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
}

/** Why there is no outcome. */
export interface Unfinished {
  readonly unfinished: 'interrupted' | 'too long' | 'broken';
  readonly why: string;
}

interface Play {
  readonly world: World;
  readonly telling: Telling;
}

/** Plays the scenario's opening and its rows. Rejects only with a KvdeployError, where it cannot begin here; the world is gone afterwards, unless its folder is kept. */
export async function play(scenario: Scenario, options: PlayOptions, telling: Telling): Promise<Ended | Unfinished> {
  const startedAt = performance.now();
  const ended = endingOf(options);
  let world: World | undefined;
  try {
    world = await openWorld(scenario, options);
    for (const line of world.told) telling.say(line);
    return await Promise.race([playAll({ world, telling }, options, startedAt), ended]);
  } catch (error) {
    if (error instanceof KvdeployError) throw error;
    return { unfinished: 'broken', why: error instanceof Error ? error.message : String(error) };
  } finally {
    if (world !== undefined) await closeWorld(world, options.keep);
    if (world !== undefined && options.keep) telling.say(`Kept: ${world.folder}`);
  }
}

async function playAll(on: Play, { stopsAtDifference }: PlayOptions, startedAt: number): Promise<Ended> {
  const { scenario, visitors } = on.world;
  const problem = problemOf(await playActs(scenario.opening, on));
  if (problem !== undefined) throw new Error(problem);
  const rows: PlayedRow[] = [];
  for (const row of scenario.rows) {
    rows.push(await playRow(row, on));
    if (stopsAtDifference && rows.at(-1)?.ended === 'differs') break;
  }
  const { requests, failed } = visitors.total();
  return { rows, requests, failed, seconds: Math.round((performance.now() - startedAt) / 100) / 10 };
}

async function playRow(row: Row, on: Play): Promise<PlayedRow> {
  const happened = filled(row.happened, on.world);
  on.telling.row({ ...row, happened });
  const acts = await playActs(row.acts, on);
  const differs = acts.some(({ differences }) => differences.length > 0);
  const { name: time, control = null, approach = null, notBuilt } = row;
  const ended = differs ? 'differs' : row.acts.length === 0 ? 'not built yet' : 'as it must';
  const played = { time, control, approach, happened, must: filled(row.must, on.world), notBuilt, ended, acts } as const;
  on.telling.rowEnded(played);
  return played;
}

/** Each is told as soon as it ended. The first one that differs is the last one. */
async function playActs(acts: readonly Act[], on: Play): Promise<readonly Played[]> {
  const played: Played[] = [];
  for (const act of acts) {
    const happened = act.happened === undefined ? null : filled(act.happened, on.world);
    const form = on.telling.output === 'read' ? 'short' : 'whole';
    const command =
      'args' in act ? `kvdeploy ${wordsOf(act.args, on.world, form).join(' ')}${act.do === 'begin' ? ' &' : ''}` : null;
    on.telling.begins({ happened, command });
    const ended = { ...NOTHING, happened, command, ...(await playAct(act, on)) };
    // Interrupted: what it saw is only the end of the world.
    if (on.world.closing.isClosed) throw new Error('the local world is closed');
    on.telling.ended(ended);
    played.push(ended);
    if (ended.differences.length > 0) break;
  }
  return played;
}

/** Where the last of these acts differs from what is expected. */
export function problemOf(acts: readonly Played[]): string | undefined {
  const { differences: [difference] = [], command, message } = acts.at(-1) ?? {};
  return difference === undefined ? undefined : [command, difference, message].filter((part) => part).join(': ');
}

const NOTHING = { exit: null, code: null, message: null, seconds: null };

type Done = Look & Partial<Pick<Played, 'exit' | 'code' | 'message' | 'seconds'>>;

/** Rejects only if the world itself breaks. */
async function playAct(act: Act, on: Play): Promise<Done> {
  const before = await countsOf(on.world);
  const done = await doAct(act, on);
  return { ...done, ...both([done, await look(act, before, on.world)]) };
}

async function doAct(act: Act, on: Play): Promise<Done> {
  switch (act.do) {
    case 'run':
      return run(act, on);
    case 'begin':
      return begin(act, on);
    case 'look':
      return { seen: [], differences: [] };
    default:
      return { seen: await doDeed(act, on.world), differences: [] };
  }
}

async function run(act: RunAct, { world, telling: { output } }: Play): Promise<Done> {
  const startedAt = performance.now();
  const lines: string[] = [];
  const isRead = output === 'read';
  const args = [...wordsOf(act.args, world, 'bare'), ...(isRead ? ['--json'] : [])];
  const cwd = act.from === 'empty' ? world.empty : world.checkout;
  const exit = await endOf(start(world, args, isRead ? (line) => lines.push(line) : output, cwd));
  const seconds = (performance.now() - startedAt) / 1000;
  const { code, message, documents } = saidIn(lines);
  const wanted = `exit ${act.exit}${act.code == null ? '' : ` ${act.code}`}`;
  const got = `exit ${exit}${code == null ? '' : ` ${code}`}${isRead && code === undefined ? ' without a result' : ''}`;
  const isEnd = exit === act.exit && (act.code === undefined || act.code === code);
  const differences = [
    ...(isEnd ? [] : [`expected ${wanted}, got ${got}`]),
    ...(act.says === undefined || new RegExp(act.says, 'i').test(message) ? [] : [`expected output matching /${act.says}/`]),
    ...(act.withinSeconds === undefined || seconds <= act.withinSeconds
      ? []
      : [`expected to end within ${act.withinSeconds} s, took ${seconds.toFixed(1)} s`]),
  ];
  const ledger = act.ledger === undefined ? [] : [lookAtLedger(act.ledger, documents.get('history'))];
  return { exit, code: code ?? null, message, seconds, ...both([{ seen: [], differences }, ...ledger]) };
}

async function begin(act: Extract<Act, { do: 'begin' }>, { world, telling }: Play): Promise<Done> {
  let isBaking = false;
  let last = '';
  const { place } = memberOf(world, act.until);
  const args = [...wordsOf(act.args, world, 'bare'), ...(telling.output === 'read' ? ['--json'] : [])];
  const runner = start(world, args, (line) => {
    isBaking ||= /\bbaking\b/.test(line);
    last = line;
    telling.hears(line);
  });
  world.runner = runner;
  const endsAt = performance.now() + BEGIN_MS;
  for (;;) {
    const percents = await world.edge.percents();
    // Baking, so that it is frozen in the middle of its watch and not half way through a line of the ledger.
    if (isBaking && percents.get(place) === act.percent)
      return { seen: [`router: ${act.percent} % at ${place}`], differences: [] };
    if (!runner.isRunning()) return { seen: [], differences: [`it exited ${await runner.ended}: ${last}`] };
    if (performance.now() > endsAt)
      return { seen: [], differences: [`expected to reach ${act.percent} % within ${BEGIN_MS / 1000} s`] };
    await pause(50);
  }
}

/** The words of a command line. `bare`: as the program gets them. `short`, `whole`: as they are shown, with GUIDs of that form. */
function wordsOf(args: string, world: World, form: 'bare' | 'short' | 'whole'): readonly string[] {
  const words = args.match(/'[^']*'|\S+/g) ?? [];
  return words.map((word) => {
    if (!word.startsWith('@')) return form === 'bare' ? word.replace(/^'(.*)'$/, '$1') : word;
    const { guid } = memberOf(world, word.slice(1));
    return form === 'short' ? shortGuid(guid) : guid;
  });
}

/** A sentence with each `@name` as that build's version and short GUID. */
function filled(text: string, world: World): string {
  return text.replace(/@([a-z][a-z-]*)/g, (_, name: string) => {
    const { version, guid } = memberOf(world, name);
    return `${version} (${shortGuid(guid)})`;
  });
}

/** Resolves when it was interrupted or takes too long. */
function endingOf({ signal, limitMs }: PlayOptions): Promise<Unfinished> {
  const late: Unfinished = { unfinished: 'too long', why: `it did not finish within ${limitMs / 1000} s` };
  return pause(limitMs, late, { signal, ref: false }).catch(() => ({ unfinished: 'interrupted', why: 'it was interrupted' }));
}
