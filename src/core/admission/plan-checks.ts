/** The checks of the plan that an admitted build gets: where its source ran before, its steps, its gates. No I/O. */
import { requirementRefusal } from '../manifest/requirement.ts';
import { type Check, offered } from './facts.ts';

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

/** Every gate has data for the build currently serving. */
export const gatesSee: Check = {
  name: 'every gate has data for the build currently serving',
  hazard: 'silent-metrics',
  needs: 'plan',
  judge({ silent }) {
    if (silent === undefined) return undefined;
    const hint = 'Missing data is never treated as healthy: fix the source or the query, then try again.';
    return { code: 'GATE_NOT_READY', message: silent, hint };
  },
};
