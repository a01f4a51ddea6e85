/** How break-glass says no, with the codes of every other command. Must keep the exit codes that the rest of kvdeploy uses. */
import type { Code } from '../base/codes.ts';

/** The codes that break-glass can end with; a test holds them against the whole table. */
export const EXIT_CODES = {
  BUG: 1,
  USAGE: 2,
  UNKNOWN_NAME: 2,
  SCOPE_UNCLEAR: 2,
  GUID_UNCLEAR: 2,
  NO_TERMINAL: 2,
  NOT_CONFIRMED: 2,
  FOREIGN_BUILD: 3,
  BUILD_GONE: 3,
  BAD_BUILD: 3,
  NO_STATE: 3,
  NO_KNOWN_GOOD: 3,
  NOT_KNOWN_GOOD: 3,
  POINTER_DAMAGED: 3,
  STUCK: 5,
  NOT_VERIFIED: 5,
} as const satisfies Partial<Record<Code, number>>;

export type RescueCode = keyof typeof EXIT_CODES;

/** Ends break-glass before anything was changed. */
export class Refused extends Error {
  readonly code: RescueCode;
  readonly hint: string;
  /** Commands that can be pasted instead, the most likely one first. */
  readonly next: readonly string[];

  constructor(code: RescueCode, message: string, hint: string, next: readonly string[] = []) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.next = next;
  }
}
