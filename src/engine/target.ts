/**
 * A router bound to one scope's settings, and the builds behind it asked for their identity: never the router's word, or a place's name,
 * instead. Must not decide anything.
 */
import { elsewhereBy } from '../base/at/at-ssh.ts';
import type { SshWay } from '../base/at/at-way.ts';
import type { Change, Check, TargetQuestion } from '../base/changes/change.ts';
import type { Scope } from '../base/scope.ts';
import type { MemberAnswer } from '../core/admission/answers.ts';
import { KvdeployError } from '../core/errors.ts';
import { type Identity, identityAt } from '../core/identity.ts';
import type { Split } from '../core/rollout/split.ts';
import type { Io } from '../io.ts';
import { openRouter } from '../routers/index.ts';
import { homeOf, layoutOf, membersAt, spread } from '../routers/places.ts';
import type { Between, Layout, Leaving, Reading } from '../routers/router.ts';
import { type Asker, askAll, askerOf } from './asking/ask.ts';
import { type Question, questionsAt } from './asking/questions.ts';

/** Everything that the engine needs of one router and the builds behind it. */
export interface Target {
  readonly kind: string;
  /** Through which its changes are made: it reaches the hosts of its locations. */
  readonly outside: Io;
  /** The locations that are on other hosts. */
  readonly hosts: Readonly<Record<string, SshWay>>;
  readonly idleTimeoutMs: number;
  /** The place that a build's `ref` means on this router. */
  homeOf(ref: string): string;
  /** Where the marker of the state that drives it lies. */
  readonly marks: readonly string[];
  changes(split: Split, leaving: Leaving['leaving']): readonly Change[];
  checks(split: Split): readonly Check[];
  impossible(reading: Reading, percent: number, between?: Between): string | undefined;
  /** The fewest members of a place that must be up at each location, where the config says so. */
  minUp(place: string): number | undefined;
  read(since?: Reading): Promise<Reading>;
  identify(): Promise<readonly string[]>;
  /** How each location of the target is asked which environment it is. */
  readonly questions: readonly TargetQuestion[];
  /** Asks every member of a place at every location, as the reading and the config say; none where there is no such place. */
  ask(place: string, reading: Reading): Promise<readonly MemberAnswer[]>;
  /** How builds at this place say which one they are; null where the config does not say. */
  identityOf(place: string): Identity | null;
  /** How every member of this place is asked; none where no one is. */
  identityQuestions(place: string, reading: Reading): readonly Question[];
}

/** What is known besides the settings. */
interface Known {
  /** Which members the plan knows, until a reading shows them. */
  readonly layout?: Layout | undefined;
  /** Whether a program of the config may run. */
  readonly mayRun?: Asker['mayRun'];
  /** Whose target it is; without it, no other host is reached. */
  readonly scope?: Scope;
}

/**
 * Binds the router of a plan or of the config. Throws CONFIG_INVALID if the settings do not fit the router any more.
 */
export function openTarget(
  settings: { readonly kind: string },
  identity: Identity | null,
  io: Io,
  { layout = [], mayRun = () => false, scope }: Known = {},
): Target {
  const { router, config } = bind(settings);
  const hosts = router.hosts?.(config) ?? {};
  const outside: Io = scope === undefined ? io : { ...io, elsewhere: elsewhereBy(hosts, scope, 'rollout') };
  const locations = router.locations(config);
  const several = locations.length > 1;
  const asker = askerOf(outside, mayRun);
  const identityOf = (place: string) => identityAt(identity, settings, place);
  const known = new Map(layout.map((one) => [one.location, one]));
  const wanted = (split: Split) => spread(locations, [...known.values()], split);
  return {
    kind: settings.kind,
    outside,
    hosts,
    idleTimeoutMs: router.idleTimeoutMs,
    homeOf: (ref) => homeOf(settings, ref),
    marks: router.marks(config),
    changes: (split, leaving) => router.changes(config, wanted(split), { leaving }),
    checks: (split) => router.checks(config, wanted(split)),
    impossible: (reading, percent, between) => router.impossible(config, reading, percent, between),
    minUp: (place) => router.placeSettings(config)?.[place]?.minUp,
    read: async (since) => {
      const reading = await router.read(config, outside, since);
      for (const one of layoutOf(reading)) known.set(one.location, one);
      return reading;
    },
    identify: () => router.identify(config, outside),
    questions: router.questions(config),
    ask: (place, reading) => askAll(identityOf(place), membersAt(reading, place), several, asker),
    identityOf,
    identityQuestions: (place, reading) => {
      const said = identityOf(place);
      return said === null || said === 'none' ? [] : questionsAt(said, membersAt(reading, place), several);
    },
  };
}

function bind(settings: { readonly kind: string }): ReturnType<typeof openRouter> {
  try {
    return openRouter({ ...settings });
  } catch (cause) {
    const message = `The router settings do not fit this kvdeploy: ${cause instanceof Error ? cause.message : String(cause)}.`;
    throw new KvdeployError('CONFIG_INVALID', { message, hint: 'kvdeploy validate', cause });
  }
}
