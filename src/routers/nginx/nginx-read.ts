/** What the nginx of one location says: its split by its own workers, its file, its log, its processes. Must not believe an exit code. */
import type { Asking } from '../../base/changes/change.ts';
import { textAt } from '../../base/changes/json-path.ts';
import type { LogReading } from '../../base/nginx/nginx-log.ts';
import type { Workers } from '../../base/nginx/nginx-workers.ts';
import { printing, safeLine, shellWord } from '../../base/text.ts';
import type { Unusable } from '../../base/unusable.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';
import type { Ask, Member, MemberCounters } from '../router.ts';
import { ANSWERS, includeOf, type NginxConfig, RUN_MS, SETTLE_MS, TIMEOUT_MS } from './nginx-config.ts';
import { hostAt, type NginxHost } from './nginx-host.ts';
import { includeText, type Percents, splitIn } from './nginx-include.ts';
import { type Setup, setupOf } from './nginx-setup.ts';

/** Whom to ask, and as what. */
interface At {
  readonly config: NginxConfig;
  /** What the location is called; null where it is the only one. */
  readonly name: string | null;
  readonly host: NginxHost;
  readonly io: Io;
}

export interface ReadAt {
  readonly members: readonly Member[];
  readonly generation: string;
  readonly trouble: readonly string[];
  readonly setup: Setup;
}

/** `isFirst`: the set-up is looked at too. Rejects with UNREACHABLE where nginx does not say which split it serves. */
export async function readAt(config: NginxConfig, name: string, io: Io, isFirst: boolean): Promise<ReadAt> {
  const at: At = { config, name: config.locations === undefined ? null : name, host: hostAt(name, io), io };
  const { percents, generation, workers, fileTrouble } = await inStep(at);
  const members = Object.fromEntries(Object.entries(config.places).map(([place, said]) => [place, said.members]));
  const log = config.log === undefined ? undefined : await at.host.log(config.log, members);
  const setup = isFirst ? await lookAt(at) : { doubts: [] };
  const unusable = workers.unusable ?? setup.unusable;
  const leaving = workers.leaving ?? 0;
  const trouble = [
    ...fileTrouble,
    ...(leaving === 0 ? [] : [`${counted(leaving, 'worker')} of nginx still busy with open connections, under an earlier split`]),
    ...(log?.problem === undefined ? [] : [log.problem]),
  ];
  return {
    members: membersOf(config, percents, log, io.elsewhere?.(name) === undefined ? {} : { at: name }),
    generation,
    trouble: trouble.map((one) => named(at, one)),
    setup: {
      ...setup,
      doubts: [...(workers.doubt === undefined ? [] : [workers.doubt]), ...setup.doubts].map((one) => named(at, one)),
      ...(unusable === undefined ? {} : { unusable: { why: named(at, unusable.why), cure: unusable.cure } }),
    },
  };
}

/** The environment that it says. */
export async function environmentAt(config: NginxConfig, name: string, io: Io): Promise<string | undefined> {
  const at: At = { config, name: config.locations === undefined ? null : name, host: hostAt(name, io), io };
  const [answer] = await answers(at, 1);
  return textIn(answer?.body ?? '', 'environment')?.toLowerCase();
}

const named = ({ name }: Pick<At, 'name'>, text: string) => (name === null ? text : `${name}: ${text}`);

/** A file that is not what is served may be on its way: a reload returns before the new workers answer. */
async function inStep(at: At): Promise<Awaited<ReturnType<typeof settled>> & { readonly fileTrouble: readonly string[] }> {
  const first = await settled(at);
  const fileTrouble = await fileProblems(at, first.generation);
  if (fileTrouble.length === 0) return { ...first, fileTrouble };
  await at.io.sleep(SETTLE_MS);
  const second = await settled(at);
  return { ...second, fileTrouble: await fileProblems(at, second.generation) };
}

/** A reading in the moment after a reload would miss the old workers, which accept connections until about 130 ms after the new ones started. */
async function settled(at: At): Promise<Served & { readonly workers: Workers }> {
  const { host, io, config } = at;
  const first = await served(at);
  const workers = await host.workers(config.pid, first.pids);
  const waitMs = SETTLE_MS - (workers.youngestMs ?? 0);
  if (waitMs <= 0) return { ...first, workers };
  await io.sleep(waitMs);
  const second = await served(at);
  return { ...second, workers: await host.workers(config.pid, second.pids) };
}

interface Served {
  readonly percents: Percents;
  readonly generation: string;
  readonly pids: readonly number[];
}

/** Asks until as many answers in a row come from one generation. Rejects where they do not within 2 s, or say another thing. */
async function served(at: At): Promise<Served> {
  const { config, io } = at;
  const until = io.monotonic() + TIMEOUT_MS;
  for (;;) {
    const said = await answers(at, ANSWERS);
    const generations = new Set(said.map(({ body }) => textIn(body, 'generation')));
    const [generation] = generations;
    if (generations.size === 1) {
      if (generation === undefined || generation === '') throw unreachable(at, 'it answers without a generation', SETUP_HINT);
      const percents = splitIn(config, generation);
      if (percents === undefined)
        throw unreachable(at, `it serves ${safeLine(generation)}, which is no split of this config`, byHand(config));
      const pids = said.flatMap(({ body }) => Number(textIn(body, 'pid') ?? Number.NaN)).filter(Number.isSafeInteger);
      return { percents, generation, pids: [...new Set(pids)] };
    }
    if (io.monotonic() > until)
      throw unreachable(at, 'its workers answer with different generations', 'Another reload may be under way: nginx -s reload');
    await io.sleep(50);
  }
}

async function answers(at: At, count: number): Promise<readonly { readonly body: string }[]> {
  const asking: Asking = { method: 'GET', url: at.config.probe, timeoutMs: TIMEOUT_MS, mostBytes: 4096 };
  try {
    const all = await Promise.all(Array.from({ length: count }, () => at.host.http(asking)));
    const bad = all.find(({ status }) => status !== 200);
    if (bad !== undefined) throw new Error(`it answered ${bad.status}`);
    return all;
  } catch (cause) {
    throw unreachable(at, cause instanceof Error ? cause.message : String(cause), SETUP_HINT, cause);
  }
}

const SETUP_HINT = 'Check that nginx runs and answers there, as docs/nginx.md shows: curl -s URL';

/** How to write what kvdeploy would: with everything at one place, since only a person knows what is to serve. */
function byHand(config: NginxConfig): string {
  const path = includeOf(config);
  const ways = Object.keys(config.places).map((place) => {
    const text = includeText(config, [{ place, build: null, percent: 100 }]);
    return `all traffic to ${place}: ${printing(text)} > ${path}`;
  });
  return `Write the include with the place that is to serve, then reload; ${ways.join('; ')}`;
}

function textIn(body: string, key: string): string | undefined {
  try {
    return textAt(body, [key]);
  } catch {
    // Not JSON: it does not say.
    return undefined;
  }
}

/** The file is what a restart of nginx serves. */
async function fileProblems({ config, host }: At, generation: string): Promise<readonly string[]> {
  const path = includeOf(config);
  try {
    const text = await host.readText(path);
    const percents = splitIn(config, generation) ?? {};
    const split = Object.entries(percents).map(([place, percent]) => ({ place, build: null, percent }));
    return text === includeText(config, split) ? [] : [`${path} is not what nginx serves: someone edited it, or did not reload`];
  } catch (error) {
    return [`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** The set-up changes only with a reload of the whole: it is looked at before a rollout, not at every poll. Never rejects. */
async function lookAt({ config, host }: At): Promise<Setup> {
  try {
    const { exitCode, stdout, stderr } = await host.run(config.dump, RUN_MS);
    if (exitCode === 0) return setupOf(config, stdout);
    if (stderr.includes('test failed')) return { doubts: [], unusable: broken(config, stderr) };
    throw new Error(stderr.trim().slice(0, 200));
  } catch (error) {
    const why = safeLine(error instanceof Error ? error.message : String(error));
    return { doubts: [`the configuration of nginx could not be looked at (${config.dump.join(' ')}): ${why}`] };
  }
}

/** Neither a shift nor a rollback reloads what nginx does not load. */
function broken({ test }: NginxConfig, stderr: string): Unusable {
  const lines = stderr.split('\n');
  const why = lines.find((line) => line.includes('[emerg]')) ?? lines[0] ?? '';
  return {
    why: `nginx does not load its configuration, so that neither a shift nor a rollback is possible: ${safeLine(why.slice(0, 300))}`,
    cure: `Correct what it names, until this ends well: ${test.map(shellWord).join(' ')}`,
  };
}

/** Members in equal parts: open source nginx checks no health, so none is down here. */
function membersOf(
  { places }: NginxConfig,
  percents: Percents,
  log: LogReading | undefined,
  at: Pick<Ask, 'at'>,
): readonly Member[] {
  return Object.entries(places).flatMap(([place, { members }]) => {
    const share = (percents[place] ?? 0) / members.length;
    return members.map(
      (name, index): Member => ({
        ...{ name, place, weight: share, percent: share, up: true, draining: false, parked: false },
        ask: { address: `http://${name}`, ...at },
        counters: countersOf(log, name, index === 0 ? place : undefined),
      }),
    );
  });
}

/** Tries that reached no member, since nginx took all for dead, count for the first one: each of them is failing. */
function countersOf(log: LogReading | undefined, member: string, place: string | undefined): MemberCounters {
  if (log === undefined || log.problem !== undefined) return { served: null };
  const own = log.counts.get(member);
  const none = place === undefined ? undefined : log.counts.get(place);
  const byClass: Record<string, number> = { ...own?.byClass };
  for (const [end, count] of Object.entries(none?.byClass ?? {})) byClass[end] = (byClass[end] ?? 0) + count;
  const times = own === undefined || own.answers === 0 ? {} : { times: { answers: own.answers, averageMs: own.averageMs } };
  return { served: (own?.served ?? 0) + (none?.served ?? 0), byClass, ...times };
}

const counted = (count: number, thing: string) => `${count} ${thing}${count === 1 ? '' : 's'}`;

function unreachable({ config: { probe }, name }: At, why: string, hint: string, cause?: unknown): KvdeployError {
  return new KvdeployError('UNREACHABLE', {
    message: `nginx at ${name === null ? '' : `${name}, `}${probe} cannot be queried: ${why}.`,
    hint: hint.replace('URL', probe),
    cause,
  });
}
