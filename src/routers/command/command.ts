/** A router that is a program of the user's: it reads, sets and identifies the split of one target. Must not use a shell, or believe what it cannot read. */
import type { Change, Check, TargetQuestion } from '../../base/changes/change.ts';
import { runTold } from '../../base/changes/hear.ts';
import { safeLine } from '../../base/text.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';
import { apart, eachOf } from '../each-location.ts';
import { atOf, hostsIn, isHere, locationNames } from '../locations-config.ts';
import { MAIN, placesOf } from '../places.ts';
import { placeSettingsOf } from '../places-config.ts';
import type { Ask, Leaving, LocationSplit, Member, Reading, Router } from '../router.ts';
import { type CommandConfig, commandConfig, placeNames } from './command-config.ts';
import { askedText, identifySchema, isMultiple, parsePrinted, type ReadAnswer, readSchema, setText } from './command-protocol.ts';

/** Implements the Router port; see there for what each function must do. Its words: docs/command-router.md. */
export const command: Router<CommandConfig> = {
  kind: 'command',
  summary: 'a program of yours that reads and sets the split, as JSON',
  promises: {
    granularity: 'what the program says (`smallestPercent`)',
    readBack: '*configured* by what the program reads; never *served*',
    identity: 'the members that the program names',
    fencing: 'none: what the program began may go on for 60 s',
    sticky: 'what the program names',
    breakGlass: 'the program, listed in the machine file, and what it needs itself; no marker at the target (*not verified*)',
    hosts: 'this one, or several over SSH',
  },
  config: commandConfig,
  targets: ({ target, set }) => [`program ${set[0]} ${target}`],
  // Those of other hosts are listed there.
  programs: ({ read, set, identify, locations }) => (isHere(locations) ? [read, set, identify] : []),
  impossible,
  locations: ({ locations }) => locationNames(locations, MAIN),
  hosts: ({ locations }) => hostsIn(locations),
  placeSettings: ({ places }) => (Array.isArray(places) ? null : placeSettingsOf(places)),
  changes,
  checks,
  read,
  identify,
  questions: ({ identify: argv, target, timeout, locations }): readonly TargetQuestion[] =>
    locationNames(locations, MAIN).map((name) => ({
      ...{ kind: 'run', argv, stdin: askedText(target), json: ['environment'], timeoutMs: timeout },
      ...atOf(locations, name),
    })),
  // It keeps nothing where kvdeploy could leave a marker.
  marks: () => [],
  // What a program began at a platform may go on after the program was ended.
  idleTimeoutMs: 60_000,
};

function impossible(_config: CommandConfig, { smallestPercent = 1 }: Reading, percent: number): string | undefined {
  if (isMultiple(percent, smallestPercent)) return undefined;
  return `the program splits in steps of ${smallestPercent} %, so it cannot set exactly ${percent} %`;
}

/** Every place is told, also those that only the target knows. */
function changes(settings: CommandConfig, wanted: readonly LocationSplit[], how: Leaving): readonly Change[] {
  const { set, target, timeout, locations } = settings;
  return wanted.map(({ location, split, members }) => {
    const known = [...placeNames(settings), ...members.flatMap(({ place }) => place ?? [])];
    const shares = split.map(({ place, percent }) => [place, percent] as const);
    const percent = Object.fromEntries([...known.map((place) => [place, 0] as const), ...shares]);
    return {
      kind: 'run',
      argv: set,
      stdin: setText(target, percent, how.leaving),
      timeoutMs: timeout,
      ...atOf(locations, location),
    };
  });
}

/** One for each place. A fraction cannot be compared as text, and no split that break-glass restores has one. */
function checks(settings: CommandConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  const { read: argv, target, timeout, locations } = settings;
  return wanted.flatMap(({ location, split }) =>
    [...split].sort(byPlace).map(
      ({ place, percent }): Check => ({
        ...{ kind: 'run', argv, stdin: askedText(target), timeoutMs: timeout },
        ...{ json: ['percent', place], equals: String(percent) },
        ...atOf(locations, location),
      }),
    ),
  );
}

const byPlace = (a: { readonly place: string }, b: { readonly place: string }) => (a.place < b.place ? -1 : 1);

async function read(settings: CommandConfig, io: Io): Promise<Reading> {
  const names = locationNames(settings.locations, MAIN);
  const { answered, unseen } = await eachOf(names, (name) => readAt(settings, name, io));
  const hosts = hostsIn(settings.locations);
  const locations = answered.map(({ name, answer }) => ({
    name,
    members: Object.keys(answer.percent).flatMap((place) =>
      membersOf(place, answer, Object.hasOwn(hosts, name) ? { at: name } : {}),
    ),
  }));
  const sticky = answered.map(({ answer }) => answer.sticky).find((one) => one !== undefined);
  const unusable = answered.map(({ answer }) => answer.unusable).find((one) => one !== undefined);
  return {
    locations,
    places: placesOf(locations),
    // What a program was told is a setting. It counts no requests.
    certainty: 'configured',
    trouble: [...troubleOf(answered, names), ...unseen.map(({ why }) => why)],
    smallestPercent: Math.max(...answered.map(({ answer }) => answer.smallestPercent)),
    ...(sticky === undefined ? {} : { sticky: safeLine(sticky) }),
    ...(unusable === undefined ? {} : { unusable: { why: safeLine(unusable), cure: 'Set it up as the program needs it.' } }),
    ...(unseen.length === 0 ? {} : { unseen }),
  };
}

interface At {
  readonly name: string;
  readonly answer: ReadAnswer;
}

async function readAt(settings: CommandConfig, name: string, io: Io): Promise<At> {
  const answer = await ask(settings, 'read', readSchema, { io, name });
  const { percent } = answer;
  const missing = placeNames(settings).filter((place) => !Object.hasOwn(percent, place));
  if (missing.length > 0) throw unreachable(settings, 'read', `it does not say what ${missing.join(' and ')} gets`);
  const homeless = Object.keys(answer.members).find((place) => !Object.hasOwn(percent, place));
  if (homeless !== undefined)
    throw unreachable(settings, 'read', `it names members of ${homeless}, but not what ${homeless} gets`);
  return { name, answer };
}

/** What each location says of itself, and how they disagree. */
function troubleOf(answered: readonly At[], names: readonly string[]): readonly string[] {
  const said = answered.flatMap(({ name, answer }) =>
    answer.trouble.map((line) => (names.length === 1 ? safeLine(line) : `${name}: ${safeLine(line)}`)),
  );
  return [...said, ...apart(answered.map(({ name, answer }) => ({ name, split: splitText(answer) })))];
}

const splitText = ({ percent }: ReadAnswer) =>
  Object.entries(percent)
    .map(([place, share]) => `${place} ${share} %`)
    .sort()
    .join(', ');

async function identify(settings: CommandConfig, io: Io): Promise<readonly string[]> {
  const names = locationNames(settings.locations, MAIN);
  const { answered } = await eachOf(names, (name) => ask(settings, 'identify', identifySchema, { io, name }));
  return [...new Set(answered.map(({ environment }) => environment.toLowerCase()))];
}

/** Its members in equal parts; only those that are up get anything. */
function membersOf(place: string, { percent, members }: ReadAnswer, at: Pick<Ask, 'at'>): readonly Member[] {
  const share = percent[place] ?? 0;
  const named = Object.hasOwn(members, place) ? (members[place] ?? []) : [];
  const all = named.length === 0 ? [{ name: place, up: true }] : named;
  const up = all.filter((one) => one.up).length;
  return all.map((one) => ({
    ...{ name: one.name, place, up: one.up, draining: false, parked: false },
    weight: share / all.length,
    percent: one.up ? share / up : 0,
    ask: { address: 'address' in one ? one.address : null, ...at },
    counters: { served: null },
  }));
}

type Verb = 'read' | 'identify';

/** Runs it where the location is. */
async function ask<T>(
  settings: CommandConfig,
  verb: Verb,
  schema: Parameters<typeof parsePrinted<T>>[0],
  { io, name }: { readonly io: Io; readonly name: string },
): Promise<T> {
  const { target, timeout: timeoutMs } = settings;
  const told = { kind: 'run', argv: settings[verb], stdin: askedText(target), timeoutMs, at: name } as const;
  let printed: ReturnType<typeof parsePrinted<T>>;
  try {
    const { exitCode, stdout, stderr } = await runTold(told, io);
    if (exitCode !== 0) throw new Error(`it exited ${exitCode}: ${safeLine(stderr.trim().slice(0, 200)) || 'no reason given'}`);
    printed = parsePrinted(schema, stdout);
  } catch (cause) {
    throw unreachable(settings, verb, cause instanceof Error ? cause.message : String(cause), cause);
  }
  if ('problem' in printed) throw unreachable(settings, verb, printed.problem);
  return printed.answer;
}

function unreachable({ target, ...settings }: CommandConfig, verb: Verb, why: string, cause?: unknown): KvdeployError {
  const line = settings[verb].join(' ');
  return new KvdeployError('UNREACHABLE', {
    message: `The program that drives ${target} does not say what is asked (${line}): ${why}.`,
    hint: `Run it by hand: printf '%s' '${askedText(target).trim()}' | ${line}; what it owes: kvdeploy conformance --help`,
    cause,
  });
}
