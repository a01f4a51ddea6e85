/** The router port: splits traffic. Must report the actual state, never the last request. */
import type * as z from 'zod';
import type { SshWay } from '../base/at/at-way.ts';
import type { Change, Check, TargetQuestion } from '../base/changes/change.ts';
import type { Unusable } from '../base/unusable.ts';
import type { Split } from '../core/rollout/split.ts';
import type { Io } from '../io.ts';
import type { PlaceSettings } from './places-config.ts';

/** How long answers took: how many came, and how long the newest took on average, milliseconds. */
export interface Times {
  readonly answers: number;
  readonly averageMs: number;
}

/** What one location counted of one member since it started. */
export interface MemberCounters {
  /** Requests that it was chosen for; null if the router does not count. */
  readonly served: number | null;
  /**
   * How its requests ended; absent if the router does not count that. Classes are statuses (`503`), their first digit if it knows no
   * more (`5xx`), and `none` for a request without an answer.
   */
  readonly byClass?: Readonly<Record<string, number>>;
  /** Absent if the router does not measure it. */
  readonly times?: Times;
  /** How often its health check took it down. Only if it is checked and takes traffic: maintenance is not a crash. */
  readonly downs?: number;
}

/** How one member is asked directly. A way that a plain address does not describe belongs here. */
export interface Ask {
  /** As the router reports it: `http://127.0.0.1:9002`; null where it reports none. */
  readonly address: string | null;
  /** The location whose host asks it, if that is another one: what its address means here is another matter. */
  readonly at?: string;
  /** The Host header, if it is not the address. */
  readonly host?: string;
  /** Where the router itself speaks TLS: the name that it verifies, the PEM file with the CA, and whether it verifies no one. */
  readonly serverName?: string;
  readonly ca?: string;
  readonly insecure?: true;
  /** The UNIX socket on which the router reaches it. */
  readonly unixSocket?: string;
  /** The version of the PROXY header that the router sends first. */
  readonly proxyProtocol?: 1 | 2;
}

/** One server, process or pod behind the router, as one location has it. */
export interface Member {
  /** What the location calls it. */
  readonly name: string;
  /** The place that it belongs to; null if it belongs to none, and is to get nothing. */
  readonly place: string | null;
  /** Its part of new requests among all members in rotation, as the location is set. */
  readonly weight: number;
  /** Its real share of new requests at this location: members that are down get none. */
  readonly percent: number;
  /** False if the router itself considers it down; true if the router does not check. */
  readonly up: boolean;
  /** It keeps the clients that it has, and gets no new ones. */
  readonly draining: boolean;
  /** In maintenance: it gets nothing until someone acts. */
  readonly parked: boolean;
  readonly ask: Ask;
  readonly counters: MemberCounters;
}

/** One router process that serves the target, and what it reports. */
export interface Location {
  /** `main` where a router has one location without a name of its own. */
  readonly name: string;
  readonly members: readonly Member[];
}

/** The members of one place together, over all locations that answered. */
export interface PlaceReading {
  readonly place: string;
  /** Share of new requests as the locations are set, whoever is down: the percentage that kvdeploy asked for. */
  readonly percent: number;
  /** Share of new requests that members which are up really get. */
  readonly realPercent: number;
  /** False if at one of the locations no member of it is up, or there is none. */
  readonly up: boolean;
  /** Every member of it is in maintenance. */
  readonly parked: boolean;
  /** Requests that its members were chosen for; null if the router does not count. */
  readonly served: number | null;
}

/** A location that does not answer. */
export type Unseen = Unusable;

/** What the router reports about itself. */
export interface Reading {
  /** Every location that answered, with every member that belongs to a place or gets traffic. */
  readonly locations: readonly Location[];
  /** The same by place, including those at 0 %. */
  readonly places: readonly PlaceReading[];
  /**
   * `served`: counters over at least 100 requests since `since` match the split. `configured`: only the router's settings match
   * it; no traffic was observed.
   */
  readonly certainty: 'served' | 'configured';
  /** Why traffic may differ from the percentages: locations that disagree, a member that is down. Empty if there is no reason. */
  readonly trouble: readonly string[];
  /** The part of `trouble` that ends by itself and needs traffic for that: slow start. Absent if there is none. */
  readonly rising?: readonly string[];
  /** What of `trouble` is a member's weight that is not as a split sets it: setting the split again puts it right. Absent if there is none. */
  readonly uneven?: readonly string[];
  /** Why it can give a place only all traffic or none, so that only the step 100 % is possible. Absent if it can split. */
  readonly wholeOnly?: string;
  /** The smallest step of percent that the target says it can set, of which every percentage is a multiple. Absent if it does not say. */
  readonly smallestPercent?: number;
  /** Why kvdeploy cannot use this target with its present setup. Absent if it can. */
  readonly unusable?: Unusable;
  /** Locations that could not be read: what they serve is unknown. Everything else here is what the others show. Absent if all answered. */
  readonly unseen?: readonly Unseen[];
  /** Why a reload or restart of the router would restore an earlier split. Absent if it keeps the last one. */
  readonly forgetful?: Unusable;
  /** By what clients stay with a member, or are sent to it, whatever the percentages are: `cookie SRV`. Absent where nothing of the kind was seen. */
  readonly sticky?: string;
  /** What of its set-up a person should look at: it could not be looked at from here, or reaches further than this target. */
  readonly doubts?: readonly string[];
}

/**
 * How places at 0 % are left. `at-once`: bound clients (cookies, open connections) are moved too; for reverts, rollbacks and
 * restoring changes. `drain`: bound clients may finish there; for the last shift of a good rollout.
 */
export interface Leaving {
  readonly leaving: 'at-once' | 'drain';
}

/** The places between which traffic is split. */
export interface Between {
  readonly candidate: string;
  readonly stable: string | null;
}

/** Which members each location has, and the places that they belong to. */
export type Layout = readonly {
  readonly location: string;
  readonly members: readonly Pick<Member, 'name' | 'place'>[];
}[];

/** What one location is to serve, and by which members. */
export interface LocationSplit {
  readonly location: string;
  readonly split: Split;
  readonly members: Layout[number]['members'];
}

/** What a router can promise and what it cannot, each in a few words: the rows of docs/routers.md. */
export interface Promises {
  readonly granularity: string;
  readonly readBack: string;
  readonly identity: string;
  /** What keeps a late change of a runner that was stopped from being the last word. */
  readonly fencing: string;
  /** Clients that stay with a place. */
  readonly sticky: string;
  readonly breakGlass: string;
  readonly hosts: string;
}

/**
 * Splits traffic between the members of one target. All its changes are absolute: making one twice changes nothing more.
 * To add a router: a folder next to this file, a line in index.ts, and a test that calls the shared contract.
 */
export interface Router<Config> {
  readonly kind: string;
  /** One line for docs and `--help`. */
  readonly summary: string;
  readonly promises: Promises;
  /** Without `kind`; strict. */
  readonly config: z.ZodObject;
  /** Programs of the config that it runs, each an argv; absent if it runs none. Each runs only where the machine file lists exactly it. */
  programs?(config: Config): readonly (readonly string[])[];
  /** Names of everything it changes; a config with two scopes that share one of them does not load. */
  targets(config: Config): readonly string[];
  /**
   * Why this router's granularity does not allow exactly `percent` for the candidate, or undefined if it does. `between`: the places of the
   * candidate and of the stable build, where they are known; their numbers of members may matter. Pure.
   */
  impossible(config: Config, reading: Reading, percent: number, between?: Between): string | undefined;
  /** The names of all its locations, in the order in which they are changed. Pure. */
  locations(config: Config): readonly string[];
  /** The locations that are on other hosts, and how each is reached; absent where every location is here. Pure. */
  hosts?(config: Config): Readonly<Record<string, SshWay>>;
  /** What the config says of each of its places; null where it names none, and every server is a place of its own. Pure. */
  placeSettings(config: Config): Readonly<Record<string, PlaceSettings>> | null;
  /** The changes after which each location serves what is wanted. Pure; sets every member of a place; names secrets, never contains them. */
  changes(config: Config, wanted: readonly LocationSplit[], how: Leaving): readonly Change[];
  /** How break-glass verifies what is wanted (left at once) without this code. Pure. */
  checks(config: Config, wanted: readonly LocationSplit[]): readonly Check[];
  /**
   * The current state. `since` is an earlier reading, to observe traffic by the difference of the counters.
   * Rejects with KvdeployError UNREACHABLE if no location of the router answers within 2 s; one that does not is `unseen` and trouble.
   */
  read(config: Config, io: Io, since?: Reading): Promise<Reading>;
  /** The words in which the target itself reports its environment; empty if it does not report one. */
  identify(config: Config, io: Io): Promise<readonly string[]>;
  /** How break-glass asks each location which environment it is, without this code. Pure; empty if the target cannot say. */
  questions(config: Config): readonly TargetQuestion[];
  /**
   * Where the marker of the state that drives this target lies: a file of its own next to what the router itself keeps on this host,
   * the same for every config that names the target. Empty if the router keeps nothing here. Pure.
   */
  marks(config: Config): readonly string[];
  /** How long the router can still act on a connection after kvdeploy's last byte. */
  readonly idleTimeoutMs: number;
}

/** The marker next to what a router keeps. */
export function markFile(kept: string): string {
  return `${kept}.kvdeploy-state`;
}
