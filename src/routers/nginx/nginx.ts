/** nginx by one include that kvdeploy owns. Must not believe an exit code: what serves is what the workers themselves answer. */
import type { Asked, Change, Check } from '../../base/changes/change.ts';
import { textAt } from '../../base/changes/json-path.ts';
import { type LogReading, readLog } from '../../base/nginx/nginx-log.ts';
import { workersOf } from '../../base/nginx/nginx-workers.ts';
import { safeLine, shellWord } from '../../base/text.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';
import { MAIN, placesOf, seen } from '../places.ts';
import { placeSettingsOf } from '../places-config.ts';
import { type LocationSplit, type Member, type MemberCounters, markFile, type Reading, type Router } from '../router.ts';
import { includeOf, type NginxConfig, nginxConfig } from './nginx-config.ts';
import { generationOf, includeText, type Percents, splitIn, tooFine } from './nginx-include.ts';
import { type Setup, setupOf } from './nginx-setup.ts';

const TIMEOUT_MS = 2000;

const RUN_MS = 10_000;

/** So many answers in a row, each on a connection of its own, must come from one generation. */
const ANSWERS = 10;

/** An old worker accepts connections until about 130 ms after a reload. */
const SETTLE_MS = 300;

/** Implements the Router port; see there for what each function must do. Set-up and measurements: docs/nginx.md. */
export const nginx: Router<NginxConfig> = {
  kind: 'nginx',
  summary: 'nginx by an include of its own: split_clients over one upstream block per place',
  config: nginxConfig,
  targets: (config) => [`nginx include ${includeOf(config)}`],
  programs: ({ test, reload, dump }) => [test, reload, dump],
  impossible: (_config, { unusable }, percent) =>
    unusable?.why ?? (tooFine(percent) ? `nginx splits in steps of 0.01 %, so it cannot set exactly ${percent} %` : undefined),
  locations: () => [MAIN],
  placeSettings: ({ places }) => placeSettingsOf(places),
  changes,
  checks,
  read,
  identify: async (config, io) => {
    const body = (await answers(config, 1, io))[0]?.body ?? '';
    const said = textIn(body, 'environment');
    return said === undefined ? [] : [said.toLowerCase()];
  },
  questions: ({ probe }) => [{ kind: 'http', url: probe, json: ['environment'], timeoutMs: TIMEOUT_MS }],
  marks: (config) => [markFile(includeOf(config))],
  // Whoever reads the file when it is renamed into place reads all of it.
  idleTimeoutMs: 0,
};

/** The test comes before the reload: a configuration that does not load would leave nginx down at its next start. */
function changes(config: NginxConfig, wanted: readonly LocationSplit[]): readonly Change[] {
  return wanted.flatMap(({ split }): Change[] => [
    { kind: 'write-file', path: includeOf(config), content: includeText(config, split) },
    { kind: 'run', argv: config.test, timeoutMs: RUN_MS },
    { kind: 'run', argv: config.reload, timeoutMs: RUN_MS },
  ]);
}

function checks(config: NginxConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  return wanted.flatMap(({ split }): Check[] => [
    { kind: 'file', path: includeOf(config), content: includeText(config, split) },
    {
      ...{ kind: 'http', url: config.probe, json: ['generation'], equals: generationOf(config, split) },
      ...{ times: ANSWERS, settleMs: SETTLE_MS, timeoutMs: TIMEOUT_MS },
    },
  ]);
}

async function read(config: NginxConfig, io: Io, since?: Reading): Promise<Reading> {
  const { percents, generation, pids } = await served(config, io);
  const log = config.log === undefined ? undefined : readLog(config.log, keyIn(config), { fs: io.fs, nowMs: io.monotonic() });
  const locations = [{ name: MAIN, members: membersOf(config, percents, log) }];
  const places = placesOf(locations);
  const workers = workersOf(config.pid, pids, io.fs);
  const setup = since === undefined ? await lookAt(config, io) : { doubts: [] };
  const unusable = workers.unusable ?? setup.unusable;
  const trouble = [
    ...fileProblems(config, generation, io),
    ...(workers.leaving === null || workers.leaving === 0
      ? []
      : [`${counted(workers.leaving, 'worker')} of nginx still busy with open connections, under an earlier split`]),
    ...(log?.problem === undefined ? [] : [log.problem]),
  ];
  return {
    locations,
    places,
    certainty: trouble.length === 0 && seen(places, since) ? 'served' : 'configured',
    trouble,
    ...(unusable === undefined ? {} : { unusable }),
    ...(setup.sticky === undefined ? {} : { sticky: setup.sticky }),
    ...(setup.doubts.length === 0 ? {} : { doubts: setup.doubts }),
  };
}

interface Served {
  readonly percents: Percents;
  readonly generation: string;
  readonly pids: readonly number[];
}

/** Asks until as many answers in a row come from one generation. Rejects where they do not within 2 s, or say another thing. */
async function served(config: NginxConfig, io: Io): Promise<Served> {
  const until = io.monotonic() + TIMEOUT_MS;
  for (;;) {
    const said = await answers(config, ANSWERS, io);
    const generations = new Set(said.map(({ body }) => textIn(body, 'generation')));
    const [generation] = generations;
    if (generations.size === 1) {
      if (generation === undefined || generation === '') throw unreachable(config, 'it answers without a generation', SETUP_HINT);
      const percents = splitIn(config, generation);
      if (percents === undefined)
        throw unreachable(config, `it serves ${safeLine(generation)}, which is no split of this config`, byHand(config));
      const pids = said.flatMap(({ body }) => Number(textIn(body, 'pid') ?? Number.NaN)).filter(Number.isSafeInteger);
      return { percents, generation, pids: [...new Set(pids)] };
    }
    if (io.monotonic() > until)
      throw unreachable(
        config,
        'its workers answer with different generations',
        'Another reload may be under way: nginx -s reload',
      );
    await io.sleep(50);
  }
}

async function answers({ probe, ...config }: NginxConfig, count: number, io: Io): Promise<readonly { readonly body: string }[]> {
  const asked: Asked = { kind: 'http', url: probe, timeoutMs: TIMEOUT_MS };
  try {
    const said = Array.from({ length: count }, () =>
      io.http({ method: 'GET', url: asked.url, timeoutMs: asked.timeoutMs, mostBytes: 4096 }, () => undefined),
    );
    const all = await Promise.all(said);
    const bad = all.find(({ status }) => status !== 200);
    if (bad !== undefined) throw new Error(`it answered ${bad.status}`);
    return all;
  } catch (cause) {
    throw unreachable({ probe, ...config }, cause instanceof Error ? cause.message : String(cause), SETUP_HINT, cause);
  }
}

const SETUP_HINT = 'Check that nginx runs and answers there, as docs/nginx.md shows: curl -s URL';

/** How to write what kvdeploy would: with everything at one place, since only a person knows what is to serve. */
function byHand(config: NginxConfig): string {
  const path = includeOf(config);
  const ways = Object.keys(config.places).map((place) => {
    const text = includeText(config, [{ place, build: null, percent: 100 }]);
    return `for all traffic to ${place}: printf '%s' ${shellWord(text)} > ${path}`;
  });
  return `Write the include with the place that is to serve, then reload. ${ways.join('; ')}`;
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
function fileProblems(config: NginxConfig, generation: string, io: Io): readonly string[] {
  const path = includeOf(config);
  try {
    const text = String(io.fs.readFileSync(path, 'utf8'));
    const percents = splitIn(config, generation) ?? {};
    const split = Object.entries(percents).map(([place, percent]) => ({ place, build: null, percent }));
    return text === includeText(config, split) ? [] : [`${path} is not what nginx serves: someone edited it, or did not reload`];
  } catch (error) {
    return [`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** The set-up changes only with a reload of the whole: it is looked at before a rollout, not at every poll. Never rejects. */
async function lookAt(config: NginxConfig, io: Io): Promise<Setup> {
  try {
    const { exitCode, stdout, stderr } = await io.run(config.dump, RUN_MS, () => undefined);
    if (exitCode === 0) return setupOf(config, stdout);
    throw new Error(stderr.trim().slice(0, 200));
  } catch (error) {
    const why = safeLine(error instanceof Error ? error.message : String(error));
    return { doubts: [`the configuration of nginx could not be looked at (${config.dump.join(' ')}): ${why}`] };
  }
}

/** The member that a log names, or else its place. */
function keyIn({ places }: NginxConfig): (address: string, place: string) => string | undefined {
  return (address, place) => {
    if (!Object.hasOwn(places, place)) return undefined;
    return places[place]?.members.includes(address) === true ? address : place;
  };
}

/** Members in equal parts: open source nginx checks no health, so none is down here. */
function membersOf({ places }: NginxConfig, percents: Percents, log: LogReading | undefined): readonly Member[] {
  return Object.entries(places).flatMap(([place, { members }]) => {
    const share = (percents[place] ?? 0) / members.length;
    return members.map(
      (name, at): Member => ({
        ...{ name, place, weight: share, percent: share, up: true, draining: false, parked: false },
        ask: { address: `http://${name}` },
        counters: countersOf(log, name, at === 0 ? place : undefined),
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

function unreachable({ probe }: NginxConfig, why: string, hint: string, cause?: unknown): KvdeployError {
  return new KvdeployError('UNREACHABLE', {
    message: `nginx at ${probe} cannot be queried: ${why}.`,
    hint: hint.replace('URL', probe),
    cause,
  });
}
