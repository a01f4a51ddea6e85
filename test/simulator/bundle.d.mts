/** What bundle.mjs gives to the tests. */
export interface Mutation {
  /** Below the repository's root. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

/** The simulator as a program, of the code with these mutations. */
export function bundleSimulator(outfile: string, mutations?: readonly Mutation[]): Promise<void>;

export function bundle(entry: string, outfile: string, mutations?: readonly Mutation[]): Promise<void>;
