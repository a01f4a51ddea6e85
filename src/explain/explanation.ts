/** What `explain` says about one code: its shape. Data only; must stay out of every command but `explain`. No I/O. */

export interface Explanation {
  /** One or two sentences: what the code means. */
  readonly means: string;
  /** A message as somebody would meet it. */
  readonly example: string;
  /** The likeliest first. */
  readonly causes: readonly string[];
  /** What to do, the likeliest first; commands are whole, with E for the environment. */
  readonly todo: readonly string[];
}

/** A finding has no exit code of its own: what `validate` ends with when nothing worse was found. */
export interface FindingExplanation extends Explanation {
  readonly exit: 2 | 3;
}
