/**
 * A router bound to one scope's settings, and the builds behind it asked for their identity: never the router's word, or a place's name,
 * instead. Must not decide anything.
 */
import type { Change, Check, HttpAnswer } from '../base/changes/change.ts';
import type { TargetQuestion } from '../base/changes/target-question.ts';
import type { Answer, MemberAnswer } from '../core/admission/answers.ts';
import { KvdeployError } from '../core/errors.ts';
import type { IdentityConfig } from '../core/identity.ts';
import type { Split } from '../core/rollout/split.ts';
import { parseGuid } from '../core/scope.ts';
import type { Io } from '../io.ts';
import { openRouter } from '../routers/index.ts';
import { layoutOf, type MemberAt, membersAt, spread } from '../routers/places.ts';
import type { Layout, Leaving, Reading } from '../routers/router.ts';

/** Everything that the engine needs of one router and the builds behind it. */
export interface Target {
  readonly kind: string;
  readonly idleTimeoutMs: number;
  /** Where the marker of the state that drives it lies. */
  readonly marks: readonly string[];
  changes(split: Split, leaving: Leaving['leaving']): readonly Change[];
  checks(split: Split): readonly Check[];
  impossible(reading: Reading, percent: number): string | undefined;
  /** The fewest members of a place that must be up at each location, where the config says so. */
  minUp(place: string): number | undefined;
  read(since?: Reading): Promise<Reading>;
  identify(): Promise<readonly string[]>;
  /** How each location of the target is asked which environment it is. */
  readonly questions: readonly TargetQuestion[];
  /** Asks every member of a place at every location, all at once, at the addresses that the reading gives; none where there is no such place. */
  ask(place: string, reading: Reading): Promise<readonly MemberAnswer[]>;
  /** Where every member of this place is asked; none where that is not known. */
  identityUrls(place: string, reading: Reading): readonly string[];
}

/**
 * Binds the router of a plan or of the config. `layout`: which members the plan knows, until a reading shows them. Throws CONFIG_INVALID if the
 * settings do not fit the router any more.
 */
export function openTarget(
  settings: { readonly kind: string },
  identity: IdentityConfig | null,
  io: Io,
  layout: Layout = [],
): Target {
  const { router, config } = bind(settings);
  const locations = router.locations(config);
  const known = new Map(layout.map((one) => [one.location, one]));
  const wanted = (split: Split) => spread(locations, [...known.values()], split);
  return {
    kind: settings.kind,
    idleTimeoutMs: router.idleTimeoutMs,
    marks: router.marks(config),
    changes: (split, leaving) => router.changes(config, wanted(split), { leaving }),
    checks: (split) => router.checks(config, wanted(split)),
    impossible: (reading, percent) => router.impossible(config, reading, percent),
    minUp: (place) => router.placeSettings(config)?.[place]?.minUp,
    read: async (since) => {
      const reading = await router.read(config, io, since);
      for (const one of layoutOf(reading)) known.set(one.location, one);
      return reading;
    },
    identify: () => router.identify(config, io),
    questions: router.questions(config),
    ask: (place, reading) => askMembers(identity, membersAt(reading, place), locations.length > 1, io),
    identityUrls: (place, reading) => {
      if (identity === null) return [];
      const addresses = [...new Set(membersAt(reading, place).map(({ member }) => member.ask.address))];
      return addresses.flatMap((address) => (address === null ? [] : [`${address.replace(/\/+$/, '')}${identity.path}`]));
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

/** Each address once, however many locations send there. */
async function askMembers(
  identity: IdentityConfig | null,
  members: readonly MemberAt[],
  several: boolean,
  io: Io,
): Promise<readonly MemberAnswer[]> {
  const addresses = [...new Set(members.map(({ member }) => member.ask.address))];
  return Promise.all(
    addresses.map(async (address) => {
      const own = members.filter(({ member }) => member.ask.address === address);
      const locations = several ? own.map(({ location }) => location) : [];
      const name = own[0]?.member.name ?? '';
      const at = `${address ?? name}${locations.length === 0 ? '' : ` of ${locations.join(' and ')}`}`;
      if (address === null)
        return {
          at,
          answer: {
            unreachable: `the router reports no TCP address for ${name}; a server on a unix socket, or without a resolved name, cannot be asked`,
          },
        };
      const unset = 'the config does not say where a build reports its GUID (identity)';
      return { at, answer: identity === null ? { unreachable: unset } : await askBuild(identity, address, io) };
    }),
  );
}

const TIMEOUT_MS = 2000;

const MAX_BODY_CHARS = 64 * 1024;

/**
 * Asks the build at `address` (`http://127.0.0.1:9002`) for its GUID, and for its environment where the config says how.
 * A null is something it did not say; `said` shows people what came instead. Any status counts: a sick build still knows its name.
 * Never rejects; no answer within 2 s, one of over 64 KiB, or a redirect, which speaks for some other address, is `unreachable`.
 */
export async function askBuild(identity: IdentityConfig, address: string, io: Io): Promise<Answer> {
  let answer: HttpAnswer;
  try {
    const url = `${new URL(address).origin}${identity.path}`;
    answer = await io.http({ method: 'GET', url, timeoutMs: TIMEOUT_MS }, () => undefined);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { unreachable: `${address}${identity.path} does not answer: ${why}${wayIn(address, why)}` };
  }
  if (answer.body.length > MAX_BODY_CHARS) return { unreachable: `${address}${identity.path} returns more than 64 KiB` };
  if (answer.status >= 300 && answer.status < 400)
    return { unreachable: `${address}${identity.path} answers ${answer.status}, a redirect, which is never an identity` };
  const guidText = wordOf(answer, identity.header, identity.json);
  const environment = wordOf(answer, identity.environmentHeader, identity.environmentJson);
  return {
    guid: guidText === null ? null : (parseGuid(guidText) ?? null),
    environment,
    ...(asksEnvironment(identity) && environment === null
      ? { unsaid: nameOf(identity.environmentHeader, identity.environmentJson) }
      : {}),
    said: sentence(identity, answer.status, guidText, environment),
  };
}

/** What a router can do, and a direct question cannot, where that may be the reason: see docs/haproxy.md. */
function wayIn(address: string, why: string): string {
  if (address.startsWith('https:'))
    return '; it is asked over TLS at this very address, for which its certificate must be valid here';
  return /hang up|reset/i.test(why) ? '; a server that expects the PROXY protocol (send-proxy) cannot be asked' : '';
}

function wordOf(answer: HttpAnswer, header: string | undefined, json: string | undefined): string | null {
  if (header !== undefined) return answer.headers[header.toLowerCase()]?.trim() ?? null;
  return json === undefined ? null : jsonWord(answer.body, json);
}

function jsonWord(body: string, path: string): string | null {
  let here: unknown;
  try {
    here = JSON.parse(body);
  } catch {
    return null;
  }
  for (const key of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return null;
    here = (here as Readonly<Record<string, unknown>>)[key];
  }
  return typeof here === 'string' ? here : null;
}

const asksEnvironment = ({ environmentHeader, environmentJson }: IdentityConfig) =>
  environmentHeader !== undefined || environmentJson !== undefined;

const nameOf = (header: string | undefined, json: string | undefined) => header ?? `JSON ${json}`;

function sentence(identity: IdentityConfig, status: number, guidText: string | null, environment: string | null): string {
  const shown = (text: string | null) => (text === null ? 'nothing' : JSON.stringify(text.slice(0, 80)));
  const said = `status ${status}, ${nameOf(identity.header, identity.json)}: ${shown(guidText)}`;
  if (!asksEnvironment(identity)) return said;
  return `${said}, ${nameOf(identity.environmentHeader, identity.environmentJson)}: ${shown(environment)}`;
}
