/** The checks of the plan that an admitted build gets: where its source ran before, its steps, its gates. No I/O. */
import type { Scope } from '../../base/scope.ts';
import type { Refusal } from '../errors.ts';
import { requirementRefusal } from '../manifest/requirement.ts';
import { scopeText } from '../scope.ts';
import { type Check, type ClientsSeen, offered } from './facts.ts';

/** The required environment has run the source of this build for long enough. */
export const soakedIn = (environment: string): Check => ({
  name: `${environment} has soaked this source`,
  hazard: 'untried-source',
  needs: 'plan',
  judge(facts) {
    const build = offered(facts)?.build;
    const { required } = facts;
    if (build === undefined || required === null) throw new Error(`the plan was made without what ${environment} must have run`);
    return requirementRefusal(build, required);
  },
});

/** The router can give every step exactly its percentage. */
export const stepsPossible: Check = {
  name: 'the router can set every step',
  hazard: 'rounded-split',
  needs: 'plan',
  judge: ({ impossible }) =>
    impossible === undefined
      ? undefined
      : { code: 'SPLIT_IMPOSSIBLE', message: `${impossible}.`, hint: 'Change the steps in the config.' },
};

/** The candidate's place has enough members up for the first step, and the known-good build's enough to roll back to. */
export const enoughUp: Check = {
  name: 'each place has enough members up',
  hazard: 'black-hole',
  needs: 'plan',
  judge({ tooFewUp, tooFewLater }) {
    if (tooFewUp === undefined)
      return tooFewLater === undefined ? undefined : { notVerified: `for a later step: ${tooFewLater}` };
    const hint = 'Start the members that are down, then try again. If fewer are enough, say so below the place: minUp: 1';
    return { code: 'TOO_FEW_UP', message: `Too few members are up: ${tooFewUp}.`, hint };
  },
};

/** The pointer that restores the known-good build fits into its file. */
export const pointerFits: Check = {
  name: 'the rollback path fits into the pointer',
  hazard: 'no-known-good',
  needs: 'plan',
  judge: ({ unfit }) =>
    unfit === undefined
      ? undefined
      : {
          code: 'POINTER_TOO_LARGE',
          message: `The rollback path could not be written down: ${unfit}.`,
          hint: 'Keep only the places that kvdeploy shifts between in this backend; move the other servers to a backend of their own.',
        },
};

/** A protected environment is judged by what its clients get, unless its service says that probes are enough. */
export const clientsCounted: Check = {
  name: 'a gate counts the requests of clients',
  hazard: 'client-failures',
  needs: 'plan',
  judge({ clients, scope }) {
    if (clients === null) throw new Error('the plan was made without its gates');
    return probesOnly(scope, clients);
  },
};

/** The refusal of a protected environment in which probes alone would judge; undefined where something else does, or where that was decided. */
export function probesOnly(scope: Scope, clients: ClientsSeen): Refusal | undefined {
  if (clients.gates.length > 0 || clients.probesOnly || !clients.isProtected) return undefined;
  return {
    code: 'PROBES_ONLY',
    message: `Every gate of ${scopeText(scope)} judges by probes of its own, so that no one would see a build that answers each probe and refuses every client.`,
    hint: 'Count the requests of clients: gates: [errors], or source: prometheus. If probes are enough for this service, say so next to its gates: probesOnly: true',
  };
}

/** Every gate has data for the build currently serving. */
export const gatesSee: Check = {
  name: 'every gate has data for the build currently serving',
  hazard: 'silent-metrics',
  needs: 'plan',
  judge({ silent, unasked }) {
    if (silent === undefined) return unasked === undefined ? undefined : { notVerified: unasked };
    const hint = 'Missing data is never treated as healthy: fix the source or the query, then try again.';
    return { code: 'GATE_NOT_READY', message: silent, hint };
  },
};
