/** Why something cannot be used, for people. Types only. */

/** What is wrong, and what to write or do so that it is not. */
export interface Unusable {
  readonly why: string;
  readonly cure: string;
}
