/** The checks of the target and of the rollback path. They judge what was answered; no answer is never a yes. */
import type { Scope } from '../../base/scope.ts';
import { currentKnownGood, rescueGoal } from '../ledger/history.ts';
import { splitsAgree, splitText } from '../rollout/split.ts';
import { scopeFlags, scopeText, shortGuid } from '../scope.ts';
import { capitalized } from '../text.ts';
import type { Heard } from './answers.ts';
import type { Check } from './facts.ts';
import { namelessness, placeGone, presenceProblem } from './identity-checks.ts';

/** The target itself reports this environment, and no other. */
export const rightTarget: Check = {
  name: 'the target reports this environment',
  hazard: 'wrong-target',
  needs: 'target',
  judge({ scope, environments, targetSays }) {
    const said = targetHeard(scope, environments, targetSays);
    if (said.is === 'right') return undefined;
    return {
      code: 'WRONG_TARGET',
      message: `${capitalized(said.why)}.`,
      hint: `Make the target report its environment, or point the router settings of ${scopeText(scope)} at the right one.`,
    };
  },
};

/** Whether the words of a target are those of this environment, and of no other. */
export function targetHeard(scope: Scope, environments: readonly string[], says: readonly string[]): Heard {
  const others = environments.filter((name) => name !== scope.environment && says.includes(name));
  const why = (said: string) => `the router's target ${said}, but ${scopeText(scope)} was requested`;
  if (others.length > 0) return { is: 'wrong', code: 'WRONG_TARGET', why: why(`reports ${others.join(' and ')}`) };
  return says.includes(scope.environment) ? { is: 'right' } : { is: 'silent', why: why('does not report its environment') };
}

/** Every location of the router answers: what cannot be read cannot be split, and may serve anything. */
export const allSeen: Check = {
  name: 'every location of the router answers',
  hazard: 'rounded-split',
  needs: 'target',
  judge({ silentLocations: [first, ...more] }) {
    if (first === undefined) return undefined;
    const others = more.length === 0 ? '' : ` ${more.length} more cannot be queried either.`;
    return { code: 'UNREACHABLE', message: `${first.why}.${others}`, hint: first.cure };
  },
};

/** The router is set up so that it can do what the plan and the rollback path ask of it. */
export const usable: Check = {
  name: 'the router can be used as it is set up',
  hazard: 'rounded-split',
  needs: 'target',
  judge: ({ unusable }) =>
    unusable === undefined
      ? undefined
      : { code: 'SPLIT_IMPOSSIBLE', message: `The router cannot be used as it is set up: ${unusable.why}.`, hint: unusable.cure },
};

/** There is a build to roll back to, and `rollback` would accept it. */
export const rollbackGoal: Check = {
  name: 'there is a known-good build',
  hazard: 'no-known-good',
  needs: 'target',
  judge({ scope, history, places }) {
    const known = currentKnownGood(history)?.build.guid;
    const names = scopeFlags(scope);
    if (known !== undefined) {
      const why = history.bad.get(known);
      if (why === undefined) return undefined;
      return {
        code: 'NO_KNOWN_GOOD',
        message: `The known-good build ${shortGuid(known)} is marked bad (${why}), so there is no rollback path.`,
        hint: `Roll back to one that is not first; see which there are: kvdeploy pointer show ${names}`,
      };
    }
    const serving = places.filter(({ percent }) => percent > 0);
    if (history.nextSeq === 1 && serving.length > 0) {
      return {
        code: 'NO_STATE',
        message: `There is no state for ${scopeText(scope)} here, but the target serves ${splitText(serving)}. A new state could lose the rollback path.`,
        hint: `Run this on the host with the state, import the pointer: kvdeploy pointer import FILE ${names}, or adopt the build ${serving.length > 1 ? `that is to serve: kvdeploy adopt ${names} --to GUID` : `currently serving: kvdeploy adopt ${names}`}`,
      };
    }
    return {
      code: 'NO_KNOWN_GOOD',
      message: `No build was ever known-good in ${scopeText(scope)}, so there is no rollback path.`,
      hint: `Adopt the build currently serving: kvdeploy adopt ${names}`,
    };
  },
};

/** The pointer on local disk verifies and agrees with the ledger. */
export const pointerSound: Check = {
  name: 'the pointer on local disk verifies',
  hazard: 'no-known-good',
  needs: 'target',
  judge({ scope, history, pointer }) {
    const known = currentKnownGood(history);
    if (known === null) return undefined;
    const hint = `Look at it, then rewrite it: kvdeploy pointer verify ${scopeFlags(scope)}`;
    if (pointer.knownGood === null) {
      const damage = pointer.damaged.map((entry) => `${entry.file}: ${entry.why}`).join('; ');
      return {
        code: 'POINTER_DAMAGED',
        message: `The known-good pointer cannot be read${damage === '' ? ': there is none' : `: ${damage}`}.`,
        hint,
      };
    }
    if (pointer.ledgerCut !== null) {
      return {
        code: 'LEDGER_CUT',
        message: `The ledger is incomplete: ${pointer.ledgerCut}.`,
        hint: `Restore it from a backup. If it is permanently lost, continue from what is left: kvdeploy pointer verify --renew ${scopeFlags(scope)}`,
      };
    }
    if (pointer.knownGood === known.build.guid) return undefined;
    const goal = rescueGoal(history)?.build.guid;
    if (pointer.knownGood === goal) {
      const back = `kvdeploy rollback ${scopeFlags(scope)} --to`;
      return {
        code: 'POINTER_STALE',
        message: `A rollback to ${shortGuid(goal)} began and is not finished: the pointer names it, but ${shortGuid(known.build.guid)} is still known-good.`,
        hint: `Finish it: ${back} ${goal}   or stay on the other build: ${back} ${known.build.guid}`,
      };
    }
    return {
      code: 'POINTER_STALE',
      message: `The pointer names ${shortGuid(pointer.knownGood)}, but the ledger says that ${shortGuid(known.build.guid)} is known-good.`,
      hint,
    };
  },
};

/** The known-good build still runs at the target, and serves everything. */
export const rollbackPath: Check = {
  name: 'the known-good build is still serving',
  hazard: 'no-known-good',
  needs: 'target',
  judge(facts) {
    const { scope, history, places, knownGoodAnswers } = facts;
    const known = currentKnownGood(history)?.build;
    if (known === undefined) return undefined;
    if (knownGoodAnswers.length === 0) {
      const message = `The known-good build ${shortGuid(known.guid)} is at ${known.ref} by the ledger, and the router has no such place.`;
      return { code: 'BUILD_GONE', message, hint: placeGone(scope) };
    }
    const hint = 'Without the known-good build at the target there is no rollback path: restore it first.';
    const is = knownGoodAnswers.flatMap(({ answer }) => ('said' in answer ? (answer.named?.is ?? []) : []))[0] ?? 'guid';
    // Where the candidate has the same name, its own check says so.
    const others = facts.listed.filter(({ build }) => build.guid !== facts.guid);
    const gone =
      presenceProblem(facts, known.guid, knownGoodAnswers, hint) ?? namelessness({ ...facts, listed: others }, known.guid, is);
    if (gone !== undefined) return gone;
    if (places.some(({ place, up }) => place === known.ref && !up)) {
      const message = `The router reports ${known.ref} as down, where the known-good build ${shortGuid(known.guid)} runs.`;
      return { code: 'BUILD_GONE', message, hint };
    }
    if (splitsAgree(places, [{ place: known.ref, percent: 100 }])) return undefined;
    return {
      code: 'UNEXPECTED_SPLIT',
      message: `The target serves ${splitText(places)}, not only the known-good build ${shortGuid(known.guid)} at ${known.ref}.`,
      hint: `Restore the known-good build: kvdeploy rollback ${scopeFlags(scope)}`,
    };
  },
};

/** The state directory keeps what it acknowledges. Looking may show that it cannot; that it can shows only by writing. */
export const diskKeeps: Check = {
  name: 'the state directory is durable',
  hazard: 'disk',
  needs: 'write',
  judge({ diskProblem }) {
    if (diskProblem === null) return undefined;
    return {
      code: 'STATE_UNSAFE',
      message: `The state directory cannot guarantee to keep the rollback path: ${diskProblem}.`,
      hint: 'Put it on a local disk with free space: --state-dir, KVDEPLOY_STATE_DIR or stateDir in the config.',
    };
  },
};
