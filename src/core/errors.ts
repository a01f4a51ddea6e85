/** Every way kvdeploy can fail: a code, what to do about it, and the exit code it ends with. No I/O. */
import { type Code, EXIT_OF } from '../base/codes.ts';

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

  constructor(code: Code, what: Omit<Refusal, 'code'> & { readonly findings?: readonly Finding[]; readonly cause?: unknown }) {
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

/** Codes of findings only; a finding may also carry any error code. */
export type FindingCode =
  | 'SYNTAX'
  | 'SCHEMA'
  | 'UNKNOWN_KEY'
  | 'DUPLICATE_KEY'
  | 'FORBIDDEN_KEY'
  | 'NOT_TEXT'
  | 'NOT_A_FILE'
  | 'TOO_LARGE'
  | 'TOO_DEEP'
  | 'FORBIDDEN_YAML'
  | 'REPEATED_GUID'
  | 'REPEATED_SCOPE'
  | 'TWO_DIGESTS'
  | 'REPEATED_SEQUENCE'
  | 'WRONG_PLACE'
  | 'GATE_LABEL_MISSING'
  | 'SHARED_TARGET';

export interface Finding extends Required<Omit<Place, 'note'>> {
  readonly code: Code | FindingCode;
  /** `syntax`: cannot be read as a manifest or config (exit 2). `rule`: well formed, but breaks a rule between files (exit 3). */
  readonly kind: 'syntax' | 'rule';
  /** One sentence, without the place. */
  readonly message: string;
  /** One sentence or command. */
  readonly fix: string;
  /** The line of the file, and how many characters from `column` to underline; absent when there is no text to show. */
  readonly frame?: { readonly text: string; readonly length: number };
  readonly related?: readonly Place[];
}
