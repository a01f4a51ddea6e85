/** Acts on the decision: record, hold, end the leader, make the changes, read back. Must not run without a confirmation. */
import type { Change, Outside } from '../base/changes/change.ts';
import { check } from '../base/changes/checks.ts';
import { make } from '../base/changes/make.ts';
import { describe } from '../base/changes/wording.ts';
import type { Roots } from '../base/durable/places.ts';
import { writeHold } from '../base/pointer/hold.ts';
import { type Deed, fallbackDirs, type Intent, type Outcome, writeRecord } from '../base/pointer/records.ts';
import { namesOfState } from '../base/pointer/state-id.ts';
import { firstOf } from '../base/text.ts';
import { askBefore, leftAlone } from './ask.ts';
import type { Choice } from './choose.ts';
import type { Source } from './find.ts';
import { endLeader, type Leader, type Machine } from './leader.ts';
import { reachNames } from './names.ts';
import { outText, type ReadBack, readBack } from './read-back.ts';
import type { Ending, Voice } from './voice.ts';

/** A confirmed rescue. */
export interface Rescuing extends Pick<Deed, 'reason' | 'actor' | 'host' | 'pid'> {
  readonly source: Source;
  readonly choice: Choice;
  readonly id: string;
  /** The environments of other scopes on this machine. */
  readonly environments: readonly string[];
  /** Commands that roll back to other builds. */
  readonly otherCommands: readonly string[];
  /** What was said of the build that is left. */
  readonly mark: Intent['mark'];
  readonly claims: Intent['claims'];
  /** Commands for afterwards. */
  readonly next: readonly string[];
}

export interface Tools {
  readonly outside: Outside;
  readonly machine: Machine;
  readonly voice: Voice;
  readonly roots: Roots;
}

const WATCH_EVERY_MS = 1000;

/** A record holds no more changes and notes than this. */
const RECORDED = 100;

const always = () => undefined;

/** Restores the chosen build. Throws Refused only before anything was changed. */
export async function rescue(rescuing: Rescuing, given: Tools): Promise<Ending> {
  const { voice } = given;
  const asked = { ...rescuing, scope: rescuing.source.scope };
  const { outside, notes } = await reachNames(asked, given.outside);
  for (const note of notes) voice.warn(note);
  const tools = { ...given, outside };
  if (rescuing.choice.pointer.target.questions.length === 0)
    voice.warn('NOT VERIFIED: this pointer does not say how to ask the target which environment it is; continuing.');
  const { restore } = rescuing.choice;
  const { checks, identity } = restore;
  const tables = checks.filter((one) => one.kind === 'table' && one.groups?.some(({ least }) => least !== undefined));
  const [doubted, before] = await Promise.all([askBefore(asked, outside), Promise.all(tables.map((one) => check(one, outside)))]);
  const alone = leftAlone(asked, tables, before);
  for (const doubt of doubted) voice.warn(`NOT VERIFIED: ${doubt}; continuing.`);
  for (const at of alone)
    voice.warn(`LEFT AS IT IS: ${at} has no server of ${restore.build.ref}; without the others, it would have none.`);
  const changes = restore.changes.filter((one) => one.kind !== 'socket' || !alone.includes(one.at ?? one.address));
  recordIntent(rescuing, tools);
  const held = setHold(rescuing, tools);
  const { left, ended } = await endLeaders(rescuing, tools, held);
  // Whoever ends a runner does not end the program that it had just started.
  const outlives = ended && rescuing.source.newest.idleTimeoutMs > 0 && changes.some(({ kind }) => kind === 'run');
  const late = left.length > 0 ? 'The runner' : outlives ? 'A program that the runner started' : undefined;
  const failed = await makeLast(rescuing, changes, tools, late);
  const back = await readBack(restore, outside, tools.machine);
  const count = checks.length + identity.length;
  if (back.doubts.length === 0) voice.progress(`read back: ${count} of ${count} checks passed`);
  for (const line of firstOf(back.out)) voice.warn(`OUT OF SERVICE: ${line}`);
  const result: Result = {
    failures: failed.filter(({ change }) => !isReadBack(change, back)).map(({ why }) => why),
    doubts: [...new Set([...back.doubts, ...left])],
    back,
    held,
  };
  recordOutcome(rescuing, tools, result);
  return ending(rescuing, result);
}

interface Result {
  readonly failures: readonly string[];
  readonly doubts: readonly string[];
  readonly back: ReadBack;
  readonly held: boolean;
}

/** What a router refused or did not confirm is made where its table shows it: a member that is gone cannot be set. */
function isReadBack(change: Change, { locations }: ReadBack): boolean {
  return change.kind === 'socket' && change.saveTo === undefined && locations.includes(change.at ?? change.address);
}

function deedOf({ source, choice, reason, actor, host, pid }: Rescuing, machine: Machine): Deed {
  const toGuid = choice.restore.build.guid;
  return { scope: source.scope, at: new Date(machine.now()).toISOString(), actor, host, pid, reason, toGuid };
}

function recordIntent(rescuing: Rescuing, { outside, machine, voice, roots }: Tools): void {
  const { source, choice, id, mark } = rescuing;
  const { build, changes } = choice.restore;
  const intent: Intent = {
    ...deedOf(rescuing, machine),
    type: 'intent',
    id,
    state: stateName(source, outside),
    toVersion: build.version,
    generation: choice.pointer.generation,
    knownGood: source.newest.knownGood.build.guid,
    changes: firstOf(changes.map(describe), RECORDED).map((line) => line.slice(0, 1000)),
    ...(mark === undefined ? {} : { mark }),
    ...(rescuing.claims === undefined ? {} : { claims: rescuing.claims }),
  };
  const recorded = writeRecord([...source.dirs, ...fallbackDirs(roots, outside.fs)], intent, outside.fs);
  if (recorded.file !== undefined) voice.progress(`recorded in ${recorded.file}`);
  else voice.warn(`NOT RECORDED anywhere (${recorded.failed.join('; ')}). Keep this line: ${JSON.stringify(intent)}`);
  const unsaid = 'neither --bad nor --not-bad was given, so the build that is left is not marked bad';
  voice.progress(
    mark === 'bad'
      ? '--bad is recorded: kvdeploy reconcile marks the build that is left'
      : mark === undefined
        ? unsaid
        : '--not-bad is recorded',
  );
}

/** A record in a folder that several states share must hold this one alone. */
function stateName({ dirs, from }: Source, { fs }: Outside): string {
  const ids = dirs.map((dir) => namesOfState(dir, fs)).find((names) => names.length > 1);
  return (ids ?? namesOfState(from, fs))[0];
}

/** True if the hold was set in at least one folder. */
function setHold(rescuing: Rescuing, { outside, machine, voice }: Tools): boolean {
  const { source, id, host, pid } = rescuing;
  const note = { ...deedOf(rescuing, machine), formatVersion: 1, recordId: id } as const;
  const { written, failed } = writeHold(source.dirs, note, outside.fs);
  for (const dir of written) voice.progress(`hold set in ${dir}`);
  for (const { dir, why } of failed) voice.warn(`The hold could not be written in ${dir}: ${why}`);
  if (written.length === 0)
    voice.warn(`HOLD NOT WRITTEN. Stop every other runner by hand (this process is pid ${pid} on ${host}).`);
  return written.length > 0;
}

interface Leaders {
  /** One sentence for each leader that may still act. */
  readonly left: readonly string[];
  /** One has ended since this machine was started. */
  readonly ended: boolean;
}

async function endLeaders({ source }: Rescuing, { outside, machine, voice }: Tools, held: boolean): Promise<Leaders> {
  const leaders = await Promise.all(source.dirs.map((dir) => endLeader(dir, outside.fs, machine)));
  for (const leader of leaders) {
    if (leader.kind === 'none') continue;
    const line = leaderText(leader);
    if (leader.kind === 'left') voice.warn(held ? line : `HOLD NOT WRITTEN: ${line}`);
    else voice.progress(line);
  }
  const { boot } = machine.self();
  return {
    left: leaders.flatMap((leader) =>
      leader.kind === 'left' ? [`${leaderText(leader)}, and it can still make one change`] : [],
    ),
    ended: leaders.some((leader) => leader.kind === 'ended' || (leader.kind === 'gone' && leader.process.boot === boot)),
  };
}

function leaderText(leader: Exclude<Leader, { kind: 'none' }>): string {
  const who = leader.process === null ? 'a runner' : `the runner, pid ${leader.process.pid} on ${leader.process.host},`;
  switch (leader.kind) {
    case 'gone':
      return `${who} has already exited`;
    case 'ended':
      return `${who} was ended`;
    case 'left':
      return `${who} may still be running: ${leader.why}`;
  }
}

/**
 * Makes every change. No router here can refuse a late one, so where `late` may still act they are made once more after the router's idle
 * timeout, and meanwhile as soon as something differs from them.
 */
async function makeLast(
  { source, choice }: Rescuing,
  changes: readonly Change[],
  tools: Tools,
  late: string | undefined,
): Promise<Failed[]> {
  const { machine, outside, voice } = tools;
  const { checks } = choice.restore;
  const failures = await makeAll(changes, tools);
  if (late === undefined) return failures;
  const waitMs = source.newest.idleTimeoutMs;
  voice.progress(`${late} may still act. Watching for ${waitMs} ms; after that, every change is made again.`);
  const until = machine.monotonic() + waitMs;
  for (let leftMs = waitMs; leftMs > 0; leftMs = until - machine.monotonic()) {
    await machine.sleep(Math.min(leftMs, WATCH_EVERY_MS));
    const answers = await Promise.all(checks.map((one) => check(one, outside)));
    if (!answers.some((answer) => !('unknown' in answer) && !answer.ok)) continue;
    voice.warn('Something was changed since: making every change again.');
    await makeAll(changes, tools);
  }
  return makeAll(changes, tools);
}

interface Failed {
  readonly change: Change;
  readonly why: string;
}

/** Makes every change, even after one failed; returns what went wrong. */
async function makeAll(changes: readonly Change[], { outside, voice }: Tools): Promise<Failed[]> {
  const failures: Failed[] = [];
  for (const [index, change] of changes.entries()) {
    const which = `${index + 1} of ${changes.length}`;
    try {
      await make(change, outside, always);
      voice.progress(`made ${which}: ${describe(change)}`);
    } catch (error) {
      const why = `change ${which} failed: ${(error as Error).message}`;
      voice.warn(why);
      failures.push({ change, why });
    }
  }
  return failures;
}

function recordOutcome(
  { source, id }: Rescuing,
  { outside, machine, voice, roots }: Tools,
  { failures, doubts, back }: Result,
): void {
  const outcome: Outcome = {
    type: 'outcome',
    id,
    state: stateName(source, outside),
    scope: source.scope,
    at: new Date(machine.now()).toISOString(),
    result: failures.length > 0 ? 'failed' : doubts.length > 0 ? 'not-verified' : 'verified',
    notes: firstOf([...failures, ...doubts, ...back.out], RECORDED).map((line) => line.slice(0, 1000)),
  };
  const recorded = writeRecord([...source.dirs, ...fallbackDirs(roots, outside.fs)], outcome, outside.fs);
  if (recorded.file === undefined) voice.warn(`NOT RECORDED anywhere. Keep this line: ${JSON.stringify(outcome)}`);
}

function ending({ source, choice, next }: Rescuing, result: Result): Ending {
  const { failures, doubts, back, held } = result;
  const { guid, version, ref } = choice.restore.build;
  const base = { scope: source.scope, next };
  const byHand = 'Run the same command again (it is safe to repeat), or make the changes by hand with the commands above.';
  const unknown = { ...base, serving: null, hint: byHand, traffic: trafficText(guid, result) };
  const doubted = doubts.length === 0 ? '' : `; not verified: ${firstOf(doubts).join('; ')}`;
  if (failures.length > 0)
    return { ...unknown, code: 'STUCK', message: `${failures.length} changes failed: ${firstOf(failures).join('; ')}${doubted}` };
  if (doubts.length > 0)
    return { ...unknown, code: 'NOT_VERIFIED', message: `Changes made but not verified: ${firstOf(doubts).join('; ')}` };
  const hold = held
    ? 'The hold stops every rollout until you run kvdeploy reconcile.'
    : 'HOLD NOT WRITTEN: stop every other runner by hand, or it may shift traffic again.';
  const message = `✔ rolled back to build ${guid} (version ${version}) at ${ref}: every change was made and read back. ${outText(back)}${hold}`;
  return { ...base, serving: { guid, place: ref }, code: null, message, hint: null, traffic: `${guid} 100 %` };
}

function trafficText(guid: string, { doubts, back }: Result): string {
  if (doubts.length === 0) return `${guid} 100 %, read back`;
  const isQuiet = doubts.length === back.doubts.length;
  const known = !isQuiet || back.locations.length === 0 ? '' : `${guid} 100 % at ${back.locations.join(' and ')}; elsewhere `;
  return `${known}unknown; the changes send all traffic to ${guid}`;
}
