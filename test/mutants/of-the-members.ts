/** Faults of what holds for every member of a place, at every location. */
import { type Mutant, mutant } from './mutant.ts';

const WRITER = 'engine/pointer-writer.ts';
const QUESTIONS = 'engine/asking/questions.ts';
const PLACES = 'routers/places.ts';
const ANSWERS = 'core/admission/answers.ts';

export const OF_THE_MEMBERS: readonly Mutant[] = [
  mutant(
    'a raise does not look how many members are up',
    'simulator',
    'engine/shift.ts',
    'again ? undefined : tooFewToRaise(',
    'again || state.step >= 0 ? undefined : tooFewToRaise(',
  ),
  mutant(
    'a rollout begins with too few members up',
    'simulator',
    'engine/perform.ts',
    '  if (few !== undefined)\n    return refuse(',
    '  if (few !== undefined && few.length === 0)\n    return refuse(',
  ),
  mutant(
    'only the members of the first location must be up',
    'simulator',
    'core/rollout/capacity.ts',
    'const short = locations.flatMap((location) => needsAt',
    'const short = locations.slice(0, 1).flatMap((location) => needsAt',
  ),
  mutant(
    'a pointer is not renewed over members that came',
    'simulator',
    WRITER,
    'return isSame ? undefined :',
    'return isSame || newest.generation > 0 ? undefined :',
  ),
  mutant(
    'a generation is written next to an older rescue program',
    'simulator',
    WRITER,
    '  placeRescue(dir, rescueSource(), fs, modes);\n',
    '',
  ),
  mutant(
    'a silent member of several raises a protected environment',
    'simulator',
    'engine/condition.ts',
    'isProtected: unprotected !== true',
    'isProtected: unprotected === true',
  ),
  mutant(
    'a member that came later is taken for moved traffic',
    'members',
    PLACES,
    'since.locations.find((one) => one.name === name)?.members ?? members;',
    '(since.certainty === null ? [] : members);',
  ),
  mutant(
    'a split is set again while a new member still waits',
    'members',
    PLACES,
    'settled &&= serving.length === came.length;',
    'settled &&= serving.length <= came.length;',
  ),
  mutant(
    'a member that is down at one location is not asked for another',
    'members',
    QUESTIONS,
    'own.every(({ member }) => !member.up)',
    'own.some(({ member }) => !member.up)',
  ),
  mutant(
    'two of one build and one of another are adopted',
    'members',
    ANSWERS,
    'guids.length === 1 && isWhole',
    'guids.length >= 1 && isWhole',
  ),
  mutant(
    'half a commit is taken for a whole one',
    'members',
    ANSWERS,
    "return { is: 'unclear', why: `reports the commit",
    "return word !== null ? { is: 'same' } : { is: 'unclear', why: `reports the commit",
  ),
  mutant(
    'a build is let in whose commit another one has too',
    'members',
    'core/admission/identity-checks.ts',
    'if (others.length === 0) return undefined;',
    'if (others.length >= 0) return undefined;',
  ),
  mutant(
    'a place with too few members up is let in',
    'members',
    'core/admission/plan-checks.ts',
    'if (tooFewUp === undefined)\n',
    'if (tooFewUp !== null)\n',
  ),
  mutant(
    'a member that came since the last poll is not asked',
    'members',
    'engine/bake.ts',
    "condition.look(state, ledger.history, 'why' in found ? reading : found.reading);",
    'condition.look(state, ledger.history, reading);',
  ),
  mutant(
    'a place in maintenance that was known-good is not restored',
    'members',
    'core/ledger/kept-places.ts',
    'parked !== true || named.has(place)',
    'parked !== true',
  ),
  mutant(
    'a server of two places means the first of them',
    'members',
    'routers/places.ts',
    'only === undefined || others.length > 0 ? ref : only',
    'only === undefined ? ref : only',
  ),
];
