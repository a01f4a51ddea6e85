/** A finding: one thing wrong with one file, with everything a person needs to mend it. No I/O. */
import type { Code, Place } from './errors.ts';

export interface Finding {
  readonly code: Code | 'SYNTAX' | 'SCHEMA' | 'UNKNOWN_KEY' | 'DUPLICATE_KEY' | 'NOT_TEXT' | 'TOO_LARGE' | 'FORBIDDEN_YAML' | 'REPEATED_GUID' | 'TWO_DIGESTS' | 'REPEATED_SEQUENCE' | 'WRONG_PLACE' | 'SHARED_TARGET';
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
