/** How break-glass refuses, with codes that every other command uses too. Must be thrown only before anything was changed. */
import type { Code } from '../base/codes.ts';

/** The codes that break-glass can end with. */
export const RESCUE_CODES = [
  'BUG',
  'USAGE',
  'UNKNOWN_NAME',
  'SCOPE_UNCLEAR',
  'GUID_UNCLEAR',
  'NO_TERMINAL',
  'NOT_CONFIRMED',
  'FOREIGN_BUILD',
  'WRONG_TARGET',
  'BUILD_GONE',
  'BAD_BUILD',
  'NO_STATE',
  'NO_KNOWN_GOOD',
  'NOT_KNOWN_GOOD',
  'POINTER_DAMAGED',
  'STATE_UNSAFE',
  'TARGET_NOT_ALLOWED',
  'SYSTEM_ERROR',
  'STUCK',
  'NOT_VERIFIED',
] as const satisfies readonly Code[];

export type RescueCode = (typeof RESCUE_CODES)[number];

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
