/** The locks that look at the target and at the way back. They judge what was answered; no answer is never a yes. */
import type { Scope } from '../../base/scope.ts';
import type { Refusal } from '../errors.ts';
import { currentKnownGood } from '../ledger/history.ts';
import { splitsAgree, splitText } from '../rollout/split.ts';
import { type Guid, scopeFlags, scopeText, shortGuid } from '../scope.ts';
import type { Answer, Facts } from './facts.ts';

/** Lock 6, first half: the target itself says that it is this environment, and names no other. */
export function lockTarget(facts: Facts): Refusal | undefined {
  const words = new Set(facts.targetSays);
  const others = facts.environments.filter((name) => name !== facts.scope.environment && words.has(name));
  if (words.has(facts.scope.environment) && others.length === 0) return undefined;
  const says = others.length > 0 ? `says that it is ${others.join(' and ')}` : 'does not say which environment it is';
  return {
    code: 'WRONG_TARGET',
    message: `The router's target ${says}; ${scopeText(facts.scope)} was asked for.`,
    hint: `Let the target name its environment, or point the router settings of ${scopeText(facts.scope)} at the right one.`,
  };
}

/** Lock 6, second half: this very build answers at its place, and says this environment where it says one. */
export function lockPresent(facts: Facts): Refusal | undefined {
  return presenceProblem(facts.scope, facts.guid, facts.candidateAnswers, 'Deploy the build to its place first, then try again.');
}

/** Why a build is not proven to run at its place, or undefined. */
export function presenceProblem(scope: Scope, guid: Guid, answer: Answer | null, hint: string): Refusal | undefined {
  const code = 'BUILD_GONE';
  if (answer === null) return { code, message: `The router's target has no place for build ${shortGuid(guid)}.`, hint };
  if ('unreachable' in answer)
    return { code, message: `Build ${shortGuid(guid)} does not answer at its place: ${answer.unreachable}.`, hint };
  if (answer.guid !== guid) {
    return { code, message: `Another build answers at the place of ${shortGuid(guid)}: ${answer.guid ?? answer.said}.`, hint };
  }
  if (answer.environment !== null && answer.environment !== scope.environment) {
    return {
      code: 'WRONG_SCOPE',
      message: `The build at the place of ${shortGuid(guid)} says that it was made for ${answer.environment}, not ${scope.environment}.`,
      hint,
    };
  }
  return undefined;
}

/** Lock 8, first part: there is a build to go back to, and `rollback` would go to it. */
export function lockKnownGood(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history)?.build.guid;
  const names = scopeFlags(facts.scope);
  if (known !== undefined) {
    const why = facts.history.bad.get(known);
    if (why === undefined) return undefined;
    return {
      code: 'NO_KNOWN_GOOD',
      message: `The known-good build ${shortGuid(known)} is marked bad (${why}), so there would be no way back.`,
      hint: `Go back to one that is not first; see which there are: kvdeploy pointer show ${names}`,
    };
  }
  const serving = facts.members.filter((member) => member.percent > 0);
  const empty = facts.history.nextSeq === 1;
  if (empty && serving.length > 0) {
    return {
      code: 'NO_STATE',
      message: `There is no state for ${scopeText(facts.scope)} here, yet the target serves ${splitText(serving)}. Starting a history of its own could lose the way back.`,
      hint: `Run kvdeploy where the state lies, bring it with kvdeploy pointer import FILE ${names}, or take over what serves now: kvdeploy adopt ${names}`,
    };
  }
  return {
    code: 'NO_KNOWN_GOOD',
    message: `No build was ever known-good in ${scopeText(facts.scope)}, so there would be no way back.`,
    hint: `Take over what serves now: kvdeploy adopt ${names}`,
  };
}

/** Lock 8: the pointer on local disk verifies, agrees with the ledger, and its changes still lead to the right place. */
export function lockPointer(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history);
  if (known === null) return undefined;
  const hint = `Look at it, then write it again: kvdeploy pointer verify ${scopeFlags(facts.scope)}`;
  if (facts.pointer.knownGood === null) {
    const damage = facts.pointer.damaged.map((entry) => `${entry.file}: ${entry.why}`).join('; ');
    return {
      code: 'POINTER_DAMAGED',
      message: `The known-good pointer cannot be read${damage === '' ? ': there is none' : `: ${damage}`}.`,
      hint,
    };
  }
  if (facts.pointer.ledgerCut !== null) {
    return {
      code: 'LEDGER_CUT',
      message: `The ledger is not whole: ${facts.pointer.ledgerCut}.`,
      hint: `Restore it from a backup. If it is gone for good, go on from what is left: kvdeploy pointer verify --renew ${scopeFlags(facts.scope)}`,
    };
  }
  if (facts.pointer.knownGood !== known.build.guid) {
    return {
      code: 'POINTER_STALE',
      message: `The pointer names ${shortGuid(facts.pointer.knownGood)}, but the ledger says that ${shortGuid(known.build.guid)} is known-good.`,
      hint,
    };
  }
  return undefined;
}

/** Lock 8: the known-good build is still at the target, and serves everything. */
export function lockWayBack(facts: Facts): Refusal | undefined {
  const known = currentKnownGood(facts.history)?.build;
  if (known === undefined) return undefined;
  const gone = presenceProblem(
    facts.scope,
    known.guid,
    facts.knownGoodAnswers,
    'Without the known-good build at the target there is no way back: restore it first.',
  );
  if (gone !== undefined) return gone;
  if (facts.members.some((member) => member.place === known.ref && !member.up)) {
    return {
      code: 'BUILD_GONE',
      message: `The router says that ${known.ref} is down, where the known-good build ${shortGuid(known.guid)} runs.`,
      hint: 'Without it there is no way back: mend it first.',
    };
  }
  if (splitsAgree(facts.members, [{ place: known.ref, percent: 100 }])) return undefined;
  return {
    code: 'UNEXPECTED_SPLIT',
    message: `The target serves ${splitText(facts.members)}, not the known-good build ${shortGuid(known.guid)} at ${known.ref} alone.`,
    hint: `Put the known-good build back: kvdeploy rollback ${scopeFlags(facts.scope)}`,
  };
}

/** Lock 8: the state directory keeps what it acknowledges. */
export function lockDisk(facts: Pick<Facts, 'diskProblem'>): Refusal | undefined {
  if (facts.diskProblem === null) return undefined;
  return {
    code: 'STATE_UNSAFE',
    message: `The state directory cannot promise to keep the way back: ${facts.diskProblem}.`,
    hint: 'Put it on a local disk with room: --state-dir, KVDEPLOY_STATE_DIR or stateDir in the config.',
  };
}
