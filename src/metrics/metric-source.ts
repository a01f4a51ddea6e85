/** The metric source port: where measurements come from. Must never turn missing data into a zero. */
import type * as z from 'zod';
import type { Measurement } from '../core/gate.ts';
import type { Guid, Scope } from '../core/scope.ts';
import type { Io } from '../io.ts';

/** One build to be measured. */
export interface Question {
  readonly scope: Scope;
  readonly build: Guid;
  /** What the router calls its place. */
  readonly place: string;
  /** Where it can be asked directly, as the router reports it. */
  readonly address: string | null;
}

/** Answers one question about one build within 2 s. Never rejects: a fault of its own is `missing`, with the reason. */
export interface MetricSource<Config> {
  readonly kind: string;
  readonly summary: string;
  /** Without name, source, max and minRequests; strict. */
  readonly config: z.ZodObject;
  measure(config: Config, question: Question, io: Io): Promise<Measurement>;
  /** The question as a person would ask it by hand, for `plan` and for errors. */
  describe(config: Config, question: Question): string;
}
