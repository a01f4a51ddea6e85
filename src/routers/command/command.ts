/** A router that is a program of the user's: it reads, sets and identifies the split of one target. Must not use a shell, or believe what it cannot read. */
import type { Change, Check } from '../../base/changes/change.ts';
import type { TargetQuestion } from '../../base/changes/target-question.ts';
import { safeLine } from '../../base/text.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';
import { MAIN, placesOf } from '../places.ts';
import { placeSettingsOf } from '../places-config.ts';
import type { Leaving, LocationSplit, Member, Reading, Router } from '../router.ts';
import { type CommandConfig, commandConfig, placeNames } from './command-config.ts';
import { askedText, identifySchema, isMultiple, parsePrinted, type ReadAnswer, readSchema, setText } from './command-protocol.ts';

/** Implements the Router port; see there for what each function must do. Its words: docs/command-router.md. */
export const command: Router<CommandConfig> = {
  kind: 'command',
  summary: 'a program of yours that reads and sets the split, as JSON',
  config: commandConfig,
  targets: ({ target, set }) => [`program ${set[0]} ${target}`],
  programs: ({ read, set, identify }) => [read, set, identify],
  impossible,
  locations: () => [MAIN],
  placeSettings: ({ places }) => (Array.isArray(places) ? null : placeSettingsOf(places)),
  changes,
  checks,
  read,
  identify: async (settings, io) => {
    const { environment } = await ask(settings, 'identify', identifySchema, io);
    return [environment.toLowerCase()];
  },
  questions: ({ identify, target, timeout }): readonly TargetQuestion[] => [
    { kind: 'run', argv: identify, stdin: askedText(target), json: ['environment'], timeoutMs: timeout },
  ],
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
  const { set, target, timeout } = settings;
  return wanted.map(({ split, members }) => {
    const known = [...placeNames(settings), ...members.flatMap(({ place }) => place ?? [])];
    const shares = split.map(({ place, percent }) => [place, percent] as const);
    const percent = Object.fromEntries([...known.map((place) => [place, 0] as const), ...shares]);
    return { kind: 'run', argv: set, stdin: setText(target, percent, how.leaving), timeoutMs: timeout };
  });
}

/** One for each place. A fraction cannot be compared as text, and no split that break-glass restores has one. */
function checks({ read: argv, target, timeout }: CommandConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  return wanted.flatMap(({ split }) =>
    [...split].sort(byPlace).map(
      ({ place, percent }): Check => ({
        ...{ kind: 'run', argv, stdin: askedText(target), timeoutMs: timeout },
        ...{ json: ['percent', place], equals: String(percent) },
      }),
    ),
  );
}

const byPlace = (a: { readonly place: string }, b: { readonly place: string }) => (a.place < b.place ? -1 : 1);

async function read(settings: CommandConfig, io: Io): Promise<Reading> {
  const answer = await ask(settings, 'read', readSchema, io);
  const { percent, sticky, smallestPercent, trouble } = answer;
  const missing = placeNames(settings).filter((place) => !Object.hasOwn(percent, place));
  if (missing.length > 0) throw unreachable(settings, 'read', `it does not say what ${missing.join(' and ')} gets`);
  const homeless = Object.keys(answer.members).find((place) => !Object.hasOwn(percent, place));
  if (homeless !== undefined)
    throw unreachable(settings, 'read', `it names members of ${homeless}, but not what ${homeless} gets`);
  const locations = [{ name: MAIN, members: Object.keys(percent).flatMap((place) => membersOf(place, answer)) }];
  return {
    locations,
    places: placesOf(locations),
    // What a program was told is a setting. It counts no requests.
    certainty: 'configured',
    trouble: trouble.map((line) => safeLine(line)),
    smallestPercent,
    ...(sticky === undefined ? {} : { sticky: safeLine(sticky) }),
  };
}

/** Its members in equal parts; only those that are up get anything. */
function membersOf(place: string, { percent, members }: ReadAnswer): readonly Member[] {
  const share = percent[place] ?? 0;
  const named = Object.hasOwn(members, place) ? (members[place] ?? []) : [];
  const all = named.length === 0 ? [{ name: place, up: true }] : named;
  const up = all.filter((one) => one.up).length;
  return all.map((one) => ({
    ...{ name: one.name, place, up: one.up, draining: false, parked: false },
    weight: share / all.length,
    percent: one.up ? share / up : 0,
    ask: { address: 'address' in one ? one.address : null },
    counters: { served: null },
  }));
}

type Verb = 'read' | 'identify';

async function ask<T>(settings: CommandConfig, verb: Verb, schema: Parameters<typeof parsePrinted<T>>[0], io: Io): Promise<T> {
  const argv = settings[verb];
  let printed: ReturnType<typeof parsePrinted<T>>;
  try {
    const { exitCode, stdout, stderr } = await io.run(argv, settings.timeout, () => undefined, askedText(settings.target));
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
