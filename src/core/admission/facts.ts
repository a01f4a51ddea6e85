/** What admission judges, and the form of a check. Facts are gathered by the edges and judged here. No I/O. */
import type { Scope } from '../../base/scope.ts';
import type { Place, Refusal } from '../errors.ts';
import type { Identity } from '../identity.ts';
import { type History, openRollout } from '../ledger/history.ts';
import type { ListedBuild } from '../manifest/manifest.ts';
import { type Guid, sameScope } from '../scope.ts';
import type { MemberAnswer } from './answers.ts';
import type { NamedBuild, NamedRow } from './named.ts';

/**
 * What a check looks at: files and ledgers; the router and the builds behind it; the plan of an admitted build and its gates; or
 * something that shows only when a file is written.
 */
export type Needs = 'files' | 'target' | 'plan' | 'write';

/** Everything that the checks look at. */
export interface Facts {
  readonly scope: Scope;
  readonly guid: Guid;
  /** What was looked at. A check that needs anything else is not judged yet: it neither passes nor refuses. */
  readonly gathered: readonly Needs[];
  /** Every build of every readable manifest under the root. */
  readonly listed: readonly ListedBuild[];
  /** Builds in the file at this scope's place, whatever scope that file declares. */
  readonly atPlace: readonly ListedBuild[];
  /** Why this scope's listing is refused whole: a row of it is not its own. */
  readonly listing: Refusal | undefined;
  /** What could not be looked at of other scopes: any of it could have the build. */
  readonly unseen: readonly Unseen[];
  /** In a protected environment what should have been seen refuses. */
  readonly protected: boolean;
  /** GUIDs that the ledgers of other scopes name. */
  readonly otherLedgers: readonly { readonly scope: Scope; readonly guids: ReadonlySet<Guid> }[];
  readonly history: History;
  /** How the members of the build's place are asked which build they are; null where the config does not say. */
  readonly identity: Identity | null;
  /** All environments of the config: a target that names another one of them is another target. */
  readonly environments: readonly string[];
  readonly pointer: PointerFact;
  /** The words in which the target says which environment it is. */
  readonly targetSays: readonly string[];
  readonly places: readonly { readonly place: string; readonly percent: number; readonly up: boolean }[];
  /** Every member of their places, asked directly at every location; none where the target has no such place. */
  readonly candidateAnswers: readonly MemberAnswer[];
  readonly knownGoodAnswers: readonly MemberAnswer[];
  /** What another environment must have run first, and what it did; null where nothing is required. */
  readonly required: Required | null;
  /** Why the router cannot be used as it is set up, and what to do about it. */
  readonly unusable: Remedy | undefined;
  /** Locations of the router that do not answer. */
  readonly silentLocations: readonly Remedy[];
  /** Why the router cannot serve one of the steps. */
  readonly impossible: string | undefined;
  /** Which gate has no data for the build currently serving, and why. */
  readonly silent: string | undefined;
  /** Which place has too few members up for the first step, and for a later one. */
  readonly tooFewUp: string | undefined;
  readonly tooFewLater?: string | undefined;
  /** Why the pointer of this rollout could not be written. */
  readonly unfit: string | undefined;
  /** What of the gates sees the requests of clients; null before there is a plan. */
  readonly clients: ClientsSeen | null;
  /** Which gate was not asked, since it runs a program and only a look was wanted. */
  readonly unasked?: string | undefined;
  /** Why the state directory cannot keep what it acknowledges, or null. */
  readonly diskProblem: string | null;
}

/** A manifest, a ledger or a file of another scope that could not be looked at. */
export interface Unseen {
  /** A sentence without its full stop. */
  readonly why: string;
  /** One sentence or command: how it is seen again. */
  readonly fix: string;
  readonly place?: Place | undefined;
  /** False where no one expects to see it: the config says so, or it never was seen. Then it is not verified, and does not refuse. */
  readonly expected: boolean;
}

/** What the local pointer says, as far as admission needs it. */
export interface PointerFact {
  readonly knownGood: Guid | null;
  readonly damaged: readonly { readonly file: string; readonly why: string }[];
  /** Why the ledger cannot be the one that this pointer was written from: its end was cut off, or it is another one. Or null. */
  readonly ledgerCut: string | null;
}

/** What is wrong, and what to write or do so that it is not. */
export interface Remedy {
  readonly why: string;
  readonly cure: string;
}

/** Whether a failure that only clients see would be seen: a build can answer each probe, and 401 to everyone else. */
export interface ClientsSeen {
  /** The gates that count the requests of clients; none where all of them send probes of their own. */
  readonly gates: readonly string[];
  readonly isProtected: boolean;
  /** The service says that probes are enough. */
  readonly probesOnly: boolean;
}

export interface Required {
  readonly environment: string;
  readonly soakMs: number;
  readonly there: { readonly scope: Scope; readonly history: History };
  readonly nowMs: number;
}

/** One independent check of a build: enough on its own to refuse it. */
export interface Check {
  readonly name: string;
  /** What it prevents. */
  readonly hazard: HazardId;
  /** Judged as soon as this is gathered. */
  readonly needs: Needs;
  /** The refusal; or what it could not see, which is neither a pass nor a refusal; or undefined where it passes. */
  readonly judge: (facts: Facts) => Refusal | NotVerified | undefined;
}

/** Nothing was found that refuses, but not everything was seen. */
export interface NotVerified {
  /** What was not seen: a sentence without its full stop. */
  readonly notVerified: string;
}

/** The verdict of one check: refused, not verified, or (neither) passed. */
export interface Checked {
  readonly name: string;
  readonly hazard: HazardId;
  readonly refusal: Refusal | undefined;
  readonly notVerified?: string | undefined;
}

/** Judges one check. */
export function judged({ name, hazard, judge }: Check, facts: Facts): Checked {
  const verdict = judge(facts);
  if (verdict === undefined || !('notVerified' in verdict)) return { name, hazard, refusal: verdict };
  return { name, hazard, refusal: undefined, notVerified: verdict.notVerified };
}

export type HazardId =
  | 'foreign-build'
  | 'build-absent'
  | 'wrong-target'
  | 'stale-plan'
  | 'older-build'
  | 'bad-again'
  | 'untried-source'
  | 'no-known-good'
  | 'way-back-depends'
  | 'way-back-names'
  | 'disk'
  | 'black-hole'
  | 'silent-metrics'
  | 'late-gates'
  | 'client-failures'
  | 'rounded-split'
  | 'forgetful-router'
  | 'two-runners'
  | 'crash-midway'
  | 'no-answer';

/** The rows of the manifests that list the build. */
export const rowsOf = (facts: Facts): readonly ListedBuild[] => facts.listed.filter((row) => row.build.guid === facts.guid);

/** Those of this scope. */
export const ownRows = (facts: Facts): readonly ListedBuild[] => rowsOf(facts).filter((row) => sameScope(row.scope, facts.scope));

/** The row that a build is taken from: this scope's own; another scope's only where there is none, for the checks to refuse. */
export const offered = (facts: Facts): ListedBuild | undefined => ownRows(facts)[0] ?? rowsOf(facts)[0];

/** Every build that is known by its row, or by this scope's ledger, an open rollout's too: for what a running build says of itself. */
export function knownRows({ listed, history, scope }: Pick<Facts, 'listed' | 'history' | 'scope'>): readonly NamedRow[] {
  const own = new Set(listed.flatMap((row) => (sameScope(row.scope, scope) ? [row.build.guid] : [])));
  const plan = openRollout(history)?.plan;
  const known = [...history.knownGood.map(({ build }) => build), ...(plan === undefined ? [] : [plan.stable, plan.candidate])];
  return [...listed, ...known.flatMap((build) => (build === null || own.has(build.guid) ? [] : [{ scope, build }]))];
}

/** What is known of a build of this scope. */
export function namedIn(facts: Pick<Facts, 'listed' | 'history' | 'scope'>, guid: Guid): NamedBuild {
  const own = knownRows(facts).find((row) => row.build.guid === guid && sameScope(row.scope, facts.scope));
  return own?.build ?? { guid };
}
