/** A finding: one thing wrong with one file, with everything a person needs to mend it. No I/O. */
import type { Code, Place } from './errors.ts';

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
  | 'SHARED_TARGET';

export interface Finding {
  readonly code: Code | FindingCode;
  /** `syntax`: cannot be read as a manifest or config (exit 2). `rule`: well formed, but breaks a rule between files (exit 3). */
  readonly kind: 'syntax' | 'rule';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** One sentence, without the place. */
  readonly message: string;
  /** One sentence or command. */
  readonly fix: string;
  /** The line of the file, and how many characters from `column` to underline; absent when there is no text to show. */
  readonly frame?: { readonly text: string; readonly length: number };
  readonly related?: readonly Place[];
}

/** By file, then line, then column: the order in which a person mends them. */
export function inFileOrder(findings: readonly Finding[]): readonly Finding[] {
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...findings].sort(
    (a, b) =>
      compare(a.file, b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      compare(a.code, b.code) ||
      compare(a.message, b.message),
  );
}

/** What `validate` ends with: 2 when a file cannot be read as what it should be, else 3 when a rule is broken, else 0. */
export function findingsExitCode(findings: readonly Finding[]): 0 | 2 | 3 {
  if (findings.some((finding) => finding.kind === 'syntax')) return 2;
  return findings.length > 0 ? 3 : 0;
}
