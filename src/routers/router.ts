/** The router port: what splits traffic. Must never say what we last asked for instead of what is. */
import type * as z from 'zod';
import type { Change, Check } from '../base/changes/change.ts';
import { type Split, servedFits, splitsAgree } from '../core/rollout/split.ts';
import type { Io } from '../io.ts';

/**
 * How requests to one member ended, as one location of the router counts them since it began. Classes are statuses (`503`),
 * their first digit where it knows no more (`5xx`), and `none` for a request without an answer.
 */
export interface Answers {
  /** Which router process counted: counters of another one begin anew. */
  readonly location: string;
  readonly byClass: Readonly<Record<string, number>>;
}

/** One member of a router's target: a place that can get traffic. */
export interface Member {
  readonly place: string;
  /** Share of new requests that the router's own configuration gives it now. */
  readonly percent: number;
  /** False when the router itself takes it for dead; true where the router does not check. */
  readonly up: boolean;
  /** Where the build there can be asked directly: `http://127.0.0.1:9002`, as the router reports it. */
  readonly address: string | null;
  /** Requests it has served since the router began to count, where the router counts. */
  readonly servedTotal: number | null;
  /** How its requests ended, at each location; absent where the router does not count answers. */
  readonly answers?: readonly Answers[];
  /**
   * How often each location's own health check took it out since that location began to count. Only where it is checked and takes
   * traffic: putting a place into maintenance is no crash.
   */
  readonly downs?: Readonly<Record<string, number>>;
}

/** What the router reports about itself. */
export interface Reading {
  /** Every member of the target, those at 0 % too. */
  readonly members: readonly Member[];
  /**
   * `served`: counters over at least 100 requests since `since` fit the split. `configured`: the router's settings say so,
   * but nobody saw the traffic.
   */
  readonly certainty: 'served' | 'configured';
  /** Why traffic may not be where the percentages say: locations that disagree, a member that is down. Empty when fine. */
  readonly trouble: readonly string[];
  /** Why it can only give a place all or nothing, so that every step but 100 % is impossible. Absent when it can split. */
  readonly wholeOnly?: string;
  /** Why this target cannot be driven at all as it is set up. Absent when it can. */
  readonly unusable?: string;
  /** Why a reload or restart of the router would bring an earlier split back. Absent when it keeps the last one. */
  readonly forgetful?: string;
}

/**
 * How places at 0 % are left. `at-once`: clients that are bound to them (cookies, open connections) are moved too: reverts,
 * rollbacks, restoring changes. `drain`: those clients may finish there: the last shift of a good rollout.
 */
export interface Leaving {
  readonly leaving: 'at-once' | 'drain';
}

/**
 * Splits traffic between the members of one target. Everything it says is absolute: making it twice changes nothing.
 * To add one: a file beside this, a line in index.ts, a test that calls the shared contract.
 */
export interface Router<Config> {
  readonly kind: string;
  /** One line for docs and `--help`. */
  readonly summary: string;
  /** Without `kind`; strict. */
  readonly config: z.ZodObject;
  /** Names of what it drives; two scopes that name one of them do not load. */
  targets(config: Config): readonly string[];
  /** Why this router cannot give the candidate exactly `percent`, or undefined when it can. Pure. */
  impossible(config: Config, reading: Reading, percent: number): string | undefined;
  /** What must be done so that the live split equals `split`. Pure; sets every member; names secrets, never holds them. */
  changes(config: Config, split: Split, how: Leaving): readonly Change[];
  /** How break-glass reads back that `split` holds (left at once), without this code. Pure. */
  checks(config: Config, split: Split): readonly Check[];
  /**
   * What is there now. `since` is an earlier reading, to see traffic by the difference of the counters.
   * Rejects with KvdeployError UNREACHABLE when the router cannot be asked within 2 s.
   */
  read(config: Config, io: Io, since?: Reading): Promise<Reading>;
  /** The words in which the target itself says which environment it is; empty when it does not say. */
  identify(config: Config, io: Io): Promise<readonly string[]>;
  /** How long after our last byte the router can still act on a connection that we opened. */
  readonly idleTimeoutMs: number;
}

// Whether traffic was seen to follow a split, by what the members counted. Must not take silence, or another split's counts, for sight.

/** True when the counters since `since` were counted under this same split and show it. */
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
