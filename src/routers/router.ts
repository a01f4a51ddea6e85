/** The router port: splits traffic. Must report the actual state, never the last request. */
import type * as z from 'zod';
import type { Change, Check } from '../base/changes/change.ts';
import type { TargetQuestion } from '../base/changes/target-question.ts';
import { type Split, servedFits, splitsAgree } from '../core/rollout/split.ts';
import type { Io } from '../io.ts';

/**
 * How requests to one member ended, as counted by one location of the router since it started. Classes are statuses (`503`),
 * their first digit if it knows no more (`5xx`), and `none` for a request without an answer.
 */
export interface Answers {
  /** The router process that counted: another process has other counters. */
  readonly location: string;
  readonly byClass: Readonly<Record<string, number>>;
  /** How many answers came, and how long the newest took on average, milliseconds; absent if the router does not measure it. */
  readonly times?: { readonly answers: number; readonly averageMs: number };
}

/** How one member of a place is asked directly, at one location. A way that a plain address does not describe belongs here. */
export interface Ask {
  /** The router process that sends traffic there; null where the router has one location. */
  readonly location: string | null;
  /** As the router reports it: `http://127.0.0.1:9002`; null where it reports none. */
  readonly address: string | null;
}

/** One member of a router's target: a place that can get traffic. */
export interface Member {
  readonly place: string;
  /** Current share of new requests according to the router's own configuration. */
  readonly percent: number;
  /** False if the router itself considers it down; true if the router does not check. */
  readonly up: boolean;
  /** The address of the build for direct queries, as the router reports it: `http://127.0.0.1:9002`. */
  readonly address: string | null;
  /** Every member behind this place, at every location: which build runs there is asked of each. Absent where `address` is the only one. */
  readonly asks?: readonly Ask[];
  /** Requests it has served since the router began to count; null if the router does not count. */
  readonly servedTotal: number | null;
  /** How its requests ended, at each location; absent if the router does not count answers. */
  readonly answers?: readonly Answers[];
  /**
   * How often each location's own health check took it down since that location began to count. Only if it is checked and takes
   * traffic: maintenance is not a crash.
   */
  readonly downs?: Readonly<Record<string, number>>;
}

/** What is wrong, and what to write or do so that it is not. */
export interface Unusable {
  readonly why: string;
  readonly cure: string;
}

/** A location that does not answer. */
export type Unseen = Unusable;

/** What the router reports about itself. */
export interface Reading {
  /** Every member of the target, including those at 0 %. */
  readonly members: readonly Member[];
  /**
   * `served`: counters over at least 100 requests since `since` match the split. `configured`: only the router's settings match
   * it; no traffic was observed.
   */
  readonly certainty: 'served' | 'configured';
  /** Why traffic may differ from the percentages: locations that disagree, a member that is down. Empty if there is no reason. */
  readonly trouble: readonly string[];
  /** Why it can give a place only all traffic or none, so that only the step 100 % is possible. Absent if it can split. */
  readonly wholeOnly?: string;
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

/**
 * Splits traffic between the members of one target. All its changes are absolute: making one twice changes nothing more.
 * To add a router: a folder next to this file, a line in index.ts, and a test that calls the shared contract.
 */
export interface Router<Config> {
  readonly kind: string;
  /** One line for docs and `--help`. */
  readonly summary: string;
  /** Without `kind`; strict. */
  readonly config: z.ZodObject;
  /** Names of everything it changes; a config with two scopes that share one of them does not load. */
  targets(config: Config): readonly string[];
  /** Why this router's granularity does not allow exactly `percent` for the candidate, or undefined if it does. Pure. */
  impossible(config: Config, reading: Reading, percent: number): string | undefined;
  /** The changes after which the live split equals `split`. Pure; sets every member; names secrets, never contains them. */
  changes(config: Config, split: Split, how: Leaving): readonly Change[];
  /** How break-glass verifies `split` (left at once) without this code. Pure. */
  checks(config: Config, split: Split): readonly Check[];
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

/** True if the counters show this split, and it was the same at `since`. Missing counters, or those of another split, prove nothing. */
export function seen(members: readonly Member[], since: Reading | undefined): boolean {
  if (since === undefined || !splitsAgree(since.members, members, 0)) return false;
  const before = new Map(since.members.map((member) => [member.place, member.servedTotal]));
  const deltas = new Map<string, number>();
  for (const { place, servedTotal } of members) {
    const earlier = before.get(place) ?? null;
    if (servedTotal === null || earlier === null) return false;
    deltas.set(place, servedTotal - earlier);
  }
  return servedFits(members, deltas);
}

/** The marker next to what a router keeps. */
export function markFile(kept: string): string {
  return `${kept}.kvdeploy-state`;
}
