/** Every way kvdeploy can fail: a code, what to do about it, and the exit code it ends with. No I/O. */
import type { Finding } from './finding.ts';

/** Exit codes are an interface (DESIGN.md 7). */
export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  refused: 3,
  reverted: 4,
  stuck: 5,
  busy: 6,
  unreachable: 7,
  notAllowed: 8,
  baking: 75,
  interrupted: 130,
} as const;

export const EXIT_OF = {
  BUG: EXIT.bug,
  USAGE: EXIT.usage,
  UNKNOWN_NAME: EXIT.usage,
  SCOPE_UNCLEAR: EXIT.usage,
  CONFIG_MISSING: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  CONFIG_RUNS_CODE: EXIT.usage,
  MANIFEST_MISSING: EXIT.usage,
  MANIFEST_INVALID: EXIT.usage,
  MANIFESTS_DISAGREE: EXIT.refused,
  GUID_UNCLEAR: EXIT.usage,
  NO_TERMINAL: EXIT.usage,
  NOT_CONFIRMED: EXIT.usage,
  NO_ROUTER: EXIT.usage,
  NO_GATE: EXIT.usage,
  NO_IDENTITY: EXIT.usage,
  NOTHING_TO_DO: EXIT.usage,
  KNOWN_GOOD_SERVES: EXIT.usage,
  PLAN_INVALID: EXIT.usage,
  TRACE_INVALID: EXIT.usage,
  UNSAFE_ENVIRONMENT: EXIT.usage,
  WRONG_SCOPE: EXIT.refused,
  UNLISTED_BUILD: EXIT.refused,
  FOREIGN_BUILD: EXIT.refused,
  OLD_SEQUENCE: EXIT.refused,
  WRONG_TARGET: EXIT.refused,
  BUILD_GONE: EXIT.refused,
  BAD_BUILD: EXIT.refused,
  NO_KNOWN_GOOD: EXIT.refused,
  NO_STATE: EXIT.refused,
  NOT_KNOWN_GOOD: EXIT.refused,
  SAME_PLACE: EXIT.refused,
  POINTER_DAMAGED: EXIT.refused,
  POINTER_STALE: EXIT.refused,
  LEDGER_CUT: EXIT.refused,
  LEDGER_NEWER: EXIT.refused,
  STATE_UNSAFE: EXIT.refused,
  SPLIT_IMPOSSIBLE: EXIT.refused,
  REQUIREMENT_UNMET: EXIT.refused,
  NO_SUCH_SOURCE: EXIT.refused,
  SOURCE_UNCLEAR: EXIT.refused,
  UNEXPECTED_SPLIT: EXIT.refused,
  TARGET_CHANGED: EXIT.refused,
  GATE_NOT_READY: EXIT.refused,
  GATE_FAILED: EXIT.refused,
  HAZARD_UNCONTROLLED: EXIT.refused,
  STALE_PLAN: EXIT.refused,
  DOCTOR_FAILED: EXIT.refused,
  REVERTED: EXIT.reverted,
  ABORTED: EXIT.reverted,
  STUCK: EXIT.stuck,
  DRIFT: EXIT.stuck,
  NOT_VERIFIED: EXIT.stuck,
  LEDGER_DAMAGED: EXIT.stuck,
  IN_DOUBT: EXIT.stuck,
  BUSY: EXIT.busy,
  HELD: EXIT.busy,
  UNFINISHED: EXIT.busy,
  UNREACHABLE: EXIT.unreachable,
  STATE_UNWRITABLE: EXIT.unreachable,
  STILL_BAKING: EXIT.baking,
  INTERRUPTED: EXIT.interrupted,
} as const;

export type Code = keyof typeof EXIT_OF;

/** A place in a file; line and column start at 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** What stands there, for a second place: "also listed here". */
  readonly note?: string;
}

/** What a refusal says. Core returns it; edges throw it as a KvdeployError. */
export interface Refusal {
  readonly code: Code;
  /** One sentence: what is wrong. */
  readonly message: string;
  /** One sentence or command: what to do. */
  readonly hint: string;
  readonly places?: readonly Place[];
}

/** The one error class. Its code decides the exit code; the hint is never missing. */
export class KvdeployError extends Error {
  readonly code: Code;
  readonly hint: string;
  readonly places: readonly Place[];
  /** Everything that is wrong with the files at hand, where that is why. Printed before the hint. */
  readonly findings: readonly Finding[];

  constructor(
    code: Code,
    what: { message: string; hint: string; places?: readonly Place[]; findings?: readonly Finding[]; cause?: unknown },
  ) {
    super(what.message, what.cause === undefined ? undefined : { cause: what.cause });
    this.name = 'KvdeployError';
    this.code = code;
    this.hint = what.hint;
    this.places = what.places ?? [];
    this.findings = what.findings ?? [];
  }

  get exitCode(): number {
    return EXIT_OF[this.code];
  }
}

/** Turns a refusal of the core into the error that an edge throws. */
export function refusalError(refusal: Refusal): KvdeployError {
  return new KvdeployError(refusal.code, refusal);
}
