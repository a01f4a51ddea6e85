/** The one type of a build that may become known-good. Only two places make one: the checks, and the ledger that recorded that they passed. */
import type { Build } from '../manifest/manifest.ts';

declare const admitted: unique symbol;

/** A build that every check let through. */
export type AdmittedBuild = Build & { readonly [admitted]: true };

/** For `admit` alone: a build of which nothing refused. */
export function admittedNow(build: Build): AdmittedBuild {
  return build as AdmittedBuild;
}

/** For the ledger alone: it holds plans and imports of admitted builds only, and says which of them came to their end. */
export function admittedBefore(build: Build): AdmittedBuild {
  return build as AdmittedBuild;
}
