/** The metric source port: where measurements come from. Must never turn missing data into a zero. */
import type * as z from 'zod';
import type { Scope } from '../base/scope.ts';
import type { ArmCounters, Counters } from '../core/gates/counting/counters.ts';
import type { MetricCounters } from '../core/gates/counting/metric-counters.ts';
import type { Measurement } from '../core/gates/verdict/gate.ts';
import type { Guid } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';

/** One build to be measured. */
export interface Question {
  readonly scope: Scope;
  readonly build: Guid;
  readonly version?: string | undefined;
  readonly digest?: string | undefined;
  /** What the manifest says that its metrics are labelled with. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What the router calls its place. */
  readonly place: string;
  /** What the router itself reports, the members of the place with their addresses and counters among it; absent when it was not read. */
  readonly router?: Reading | null;
}

/** Two builds to be counted over the same time. `stable` null: by plan the candidate serves alone. */
export interface Pair {
  readonly candidate: Question;
  readonly stable: Question | null;
}

/** Answers within `answerMs`. Never rejects: a fault of its own is `missing`, with the reason. */
export interface MetricSource<Config> {
  readonly kind: string;
  readonly summary: string;
  /** Without name, source, max and minRequests; strict. */
  readonly config: z.ZodObject;
  /** True where it is the counters of the router of the same kind. */
  readonly ofRouter: boolean;
  /** What one build did, for a gate with a fixed limit. */
  measure(config: Config, question: Question, io: Io): Promise<Measurement>;
  /** Raw totals of both builds, for a gate that compares; differences are taken by the core. */
  count(config: Config, pair: Pair, io: Io): Promise<Counters>;
  /**
   * The latency buckets of both builds by themselves, asked next to the counts: whatever is slow or wrong there keeps no other metric waiting.
   * Undefined where it counts none by this config; absent where it never does. Never rejects, and may take its own timeout.
   */
  countLatency?(config: Config, pair: Pair, io: Io): Promise<Counters> | undefined;
  /**
   * How the metrics that it can judge are made of its counters, `errors` first. `seen`: what it counted; some sources know only by it which
   * there are (the bounds of latency buckets). Pure.
   */
  metrics(config: Config, seen?: Counters): readonly MetricCounters[];
  /**
   * Why its first reading of the build that serves now does not show that errors would be seen, with what to do; undefined where it does.
   * Absent where errors are counted in the same breath as requests. Pure.
   */
  unproven?(config: Config, serving: ArmCounters): string | undefined;
  /** What is worth saying in a plan of how it counts, by its first reading of the build that serves now. Absent where there is nothing. Pure. */
  notes?(config: Config, serving: ArmCounters): readonly string[];
  /**
   * Why it cannot be asked about these builds at all: one lacks what the question names, or both would have the same answer. A source that
   * knows this also tells a build that was not counted yet (`none`) from one that it could never count. Pure.
   */
  unaskable?(config: Config, pair: Pair): string | undefined;
  /** Why it would count both builds by the same thing, or undefined, also where it cannot tell. Never rejects. */
  shared?(config: Config, pair: Pair, io: Io): Promise<string | undefined>;
  /** How long an answer may take, milliseconds; absent where it is 2 s. Pure. */
  answerMs?(config: Config): number;
  /** How long after a request it is counted at the latest: asking more often shows nothing new. Milliseconds. */
  lagMs(config: Config): number;
  /**
   * True where it counts the requests of clients; false where it sends requests of its own, which say nothing about the traffic, and
   * see no failure that only clients see. Pure.
   */
  countsTraffic(config: Config): boolean;
  /**
   * What it does not see of how requests end, each as `kind` or `kind: why, what to do`, for `plan` and the hazard table: `latency`,
   * `gRPC statuses`, `retries`, `slices`. `limited`: asked by a gate with a fixed limit. `seen`: what it counted of the build that serves
   * now. Pure.
   */
  unseen(config: Config, how: { readonly limited: boolean; readonly seen?: ArmCounters | undefined }): readonly string[];
  /** True where its targets are the build's own processes, so that their restarts are the build's. */
  readonly countsProcesses?: boolean;
  /** The argv of each program that it runs, as the config writes it; absent where it never runs one. Pure. */
  programs?(config: Config): readonly (readonly string[])[];
  /** The question as a person would ask it by hand, for `plan` and for errors. */
  describe(config: Config, question: Question): string;
}
