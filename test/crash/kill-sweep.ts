/** The kill sweep: a command dies at one of its calls, and whoever comes next must find everything that was acknowledged. */
import { readHold } from '../../src/base/pointer/hold.ts';
import { pointerDir, readPointers } from '../../src/base/pointer/pointer.ts';
import { fold } from '../../src/core/ledger/history.ts';
import type { Entry } from '../../src/core/ledger/ledger.ts';
import { nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from '../cli/local-builds.ts';
import { type LocalSite, resultOf } from '../cli/local-site.ts';
import type { CliAnswer } from '../cli/run-cli.ts';
import { SCOPE } from '../stores/entries.ts';
import { type ActName, argvOf, begin, type Known, openKillSite, RESCUE, whereOf } from './kill-acts.ts';
import { type Call, killedAt, type Ran } from './strace.ts';

/** One call of one act. */
export interface Point {
  readonly known: Known;
  readonly call: Call;
  readonly index: number;
}

/** Everything that the state holds and the router says. */
interface Seen {
  readonly entries: readonly Entry[];
  readonly generations: readonly number[];
  readonly held: boolean;
  readonly split: Readonly<Record<string, number>>;
}

/** Why it is not as it should be. */
class Fault extends Error {}

function must(holds: boolean, what: string, ran?: Ran | CliAnswer): asserts holds {
  if (!holds) throw new Fault(ran === undefined ? what : `${what} (exit ${ran.exitCode})\n${ran.stdout}${ran.stderr}`);
}

export async function see(site: LocalSite): Promise<Seen> {
  const pointers = readPointers(pointerDir(site.stateDir, SCOPE), nodeIo.fs, SCOPE);
  must(pointers.damaged.length === 0, `damaged generations: ${JSON.stringify(pointers.damaged)}`);
  const { entries } = await localStore(site.stateDir, nodeIo).read(SCOPE);
  const { split } = await site.status('production');
  return {
    entries,
    generations: pointers.all.map(({ generation }) => generation),
    held: readHold([pointerDir(site.stateDir, SCOPE)], nodeIo.fs) !== undefined,
    split: Object.fromEntries(split.filter(({ percent }) => percent > 0).map(({ place, percent }) => [place, percent])),
  };
}

/** Kills at this point and has the next command carry on. Returns what went wrong, or undefined. */
export async function tryPoint(site: LocalSite, { known: { act }, call, index }: Point): Promise<string | undefined> {
  try {
    await begin(site, act);
    const before = await see(site);
    const killed = await killedAt(call, argvOf(act), whereOf(site));
    const after = await see(site);
    nothingLost(before, after);
    acknowledgedIsThere(act.name, killed, before, after);
    await readable(site, after);
    await carryOn(site, act.name, act.args, index);
    nothingLost(after, await see(site));
    return undefined;
  } catch (error) {
    return `${act.name}, killed at ${call.text} (${call.name} ${call.nth}): ${(error as Error).message}`;
  }
}

/** The ledger only grows; the newest generation never goes back. */
function nothingLost(before: Seen, after: Seen): void {
  const [old, now] = [before, after].map(({ entries }) => entries.map((entry) => JSON.stringify(entry)));
  must(old?.every((entry, at) => now?.[at] === entry) === true, 'an entry that had been read is gone');
  must((after.generations[0] ?? 0) >= (before.generations[0] ?? 0), 'a pointer generation that had been read is gone');
}

/** Whatever the killed process had said, a fresh one sees. */
function acknowledgedIsThere(act: ActName, killed: Ran, before: Seen, after: Seen): void {
  const lines = killed.stdout.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as { type: string; phase?: string; step?: number; ok?: boolean; message?: string }];
    } catch {
      return [];
    }
  });
  const was = after.entries.map((_, at) => phaseOf(after.entries.slice(0, at + 1)));
  for (const line of lines.filter(({ type }) => type === 'phase'))
    must(was.includes(`${line.phase} ${line.step}`), `it said ${line.phase} ${line.step}, and the ledger does not know`);
  if (act === 'break-glass' && /hold set in/.test(killed.stderr + killed.stdout))
    must(after.held, 'the hold that it set is gone');
  const ended = lines.find(({ type }) => type === 'result');
  if (ended?.ok === true && act === 'break-glass') must(after.split['blue'] === 100, 'it said that blue serves');
  if (ended?.ok === true && act === 'reconcile') must(!after.held && before.held, 'it said that the hold is lifted');
}

function phaseOf(entries: readonly Entry[]): string {
  const { rollout } = fold(entries);
  return rollout === null ? '' : `${rollout.phase} ${rollout.step + 1}`;
}

/** `status` answers, and says what the router says; `pointer show` reads wherever there is a generation. */
async function readable(site: LocalSite, seen: Seen): Promise<void> {
  const [status, pointer] = await Promise.all([
    site.run(['status', ...PRODUCTION, '--json']),
    site.run(['pointer', 'show', ...PRODUCTION, '--json']),
  ]);
  // 9: a hold waits, or traffic is not where the ledger says; both are what a kill can leave.
  must([0, 9].includes(status.exitCode), 'status fails', status);
  const said = resultOf(status).traffic?.split.filter(({ percent }) => percent > 0) ?? [];
  const same = said.every(({ place = '', percent }) => seen.split[place] === percent) && said.length > 0;
  must(same, `status does not say where traffic is: ${JSON.stringify(seen.split)}`, status);
  must((pointer.exitCode === 0) === seen.generations.length > 0, 'pointer show does not read', pointer);
}

const RESUME = ['resume', ...PRODUCTION, '--json'];
const BACK = ['rollback', ...PRODUCTION, ...SURE, '--json'];
const REVIEW = ['reconcile', ...PRODUCTION, ...SURE, '--reason', 'swept by a test', '--json'];
/** Nothing was left to do: the kill came before the beginning or after the end. */
const NOTHING = ['NOTHING_TO_DO', 'KNOWN_GOOD_SERVES'];

async function carryOn(site: LocalSite, act: ActName, args: readonly string[], index: number): Promise<void> {
  switch (act) {
    case 'break-glass':
      if (index % 2 === 0) await rescued(site);
      await succeeds(site, REVIEW, NOTHING);
      return settled(site);
    case 'reconcile':
      await succeeds(site, REVIEW, NOTHING);
      return settled(site);
    case 'adopt':
      await again(site, args);
      return settled(site);
    case 'promote':
    case 'rollback':
    case 'resume':
    case 'abort':
      // An abort that had been written down is carried on with, and that is how resume ends then.
      if (index % 3 === 0) await succeeds(site, RESUME, act === 'abort' ? [...NOTHING, 'ABORTED'] : NOTHING);
      else if (index % 3 === 1) await succeeds(site, BACK, NOTHING);
      else await again(site, args);
      return settled(site);
  }
}

async function rescued(site: LocalSite): Promise<void> {
  const rescue = await site.run([...RESCUE, '--json']);
  must(rescue.exitCode === 0, 'break-glass does not work again', rescue);
  const { held, split } = await see(site);
  must(held && split['blue'] === 100, 'break-glass left no hold, or traffic elsewhere', rescue);
}

async function succeeds(site: LocalSite, args: readonly string[], otherwise: readonly string[]): Promise<CliAnswer> {
  const ran = await site.run(args);
  must(ran.exitCode === 0 || otherwise.includes(resultOf(ran).code ?? ''), `${args[0]} does not work unaided`, ran);
  return ran;
}

/** The same command once more; where it says that a rollout is open, the way that it names. */
async function again(site: LocalSite, args: readonly string[]): Promise<void> {
  const ran = await succeeds(site, args, [...NOTHING, 'UNFINISHED', 'OLD_SEQUENCE']);
  if (resultOf(ran).code === 'UNFINISHED') await succeeds(site, RESUME, []);
}

/** One build serves everything, it is the known-good one, ledger, pointer and router agree, and nothing is held. */
async function settled(site: LocalSite): Promise<void> {
  const [status, verified] = await Promise.all([
    site.run(['status', ...PRODUCTION, '--json']),
    site.run(['pointer', 'verify', ...PRODUCTION, '--json']),
  ]);
  const line = status.json.find(({ type }) => type === 'document');
  const { knownGood, drift, hold, rollout } = (line?.type === 'document' ? line.data : {}) as {
    readonly knownGood: { readonly guid: string } | null;
    readonly drift: string | null;
    readonly hold: unknown;
    readonly rollout: { readonly phase: string } | null;
  };
  const { split } = await see(site);
  const serves = split['green'] === 100 ? GREEN.guid : split['blue'] === 100 ? BLUE.guid : 'nothing alone';
  must(drift === null && hold === null, 'drift, or a hold, is left', status);
  must(['done', 'reverted', 'refused', 'rescued'].includes(rollout?.phase ?? 'done'), 'the rollout is not over', status);
  must(knownGood?.guid === serves, `known-good is not what serves, ${serves}`, status);
  must(verified.exitCode === 0, 'pointer verify fails', verified);
}

/** Every `each`-th point of each act, tried in `lanes` sites at once. Returns how many there were and every fault. */
export async function sweepKills(each: number, lanes: number): Promise<{ points: number; faults: string[]; byAct: string }> {
  const sites = await Promise.all(Array.from({ length: lanes }, openKillSite));
  const points = (sites[0]?.known ?? []).flatMap((known) =>
    known.calls.map((call, index) => ({ known, call, index })).filter(({ index }) => index % each === Math.floor(each / 2)),
  );
  const left = [...points];
  const faults: string[] = [];
  const work = async ({ site }: { site: LocalSite }) => {
    for (let point = left.shift(); point !== undefined; point = left.shift()) {
      const fault = await tryPoint(site, point);
      if (fault !== undefined) faults.push(fault);
    }
  };
  await Promise.all(sites.map(work));
  await Promise.all(sites.map(({ site }) => site.close()));
  const byAct = (sites[0]?.known ?? []).map(({ act, calls }) => `${act.name} ${calls.length}`).join(', ');
  return { points: points.length, faults, byAct };
}
