/** What `plan` says of the members of places: who they are, how each is asked, and what it must say. Must not ask or decide anything. */
import { wordFor } from '../../core/admission/named.ts';
import { type IdentityConfig, isOf } from '../../core/identity.ts';
import type { Plan } from '../../core/rollout/plan.ts';
import { listText, msText } from '../../core/text.ts';
import { wayText } from '../../engine/asking/questions.ts';
import { ASK_EVERY_MS } from '../../engine/condition.ts';
import type { Release } from '../../release/judge-release.ts';
import { membersAt } from '../../routers/places.ts';

/** The members of both places, a text for each place; none where every place has one member of its name. */
export function membersTexts({ reading }: Release, { candidate, stable }: Plan): readonly string[] {
  if (reading === null) return [];
  const several = reading.locations.length > 1;
  const refs = [...new Set([...(stable === null ? [] : [stable.ref]), candidate.ref])];
  const places = refs.map((place) => ({ place, members: membersAt(reading, place) }));
  if (places.every(({ place, members }) => members.every(({ member }) => member.name === place))) return [];
  return places.map(({ place, members }) => {
    const at = reading.locations.map(({ name }) => {
      const names = members.flatMap(({ location, member }) => (location === name ? [member.name] : []));
      return `${several ? `at ${name} ` : ''}${names.length === 0 ? 'none' : `${names.length} (${listText(names)})`}`;
    });
    return `${place}: ${at.join(', ')}`;
  });
}

/** How the members of the candidate's place are asked which build they are. */
export function askedMembers({ target, reading }: Release, { candidate }: Plan) {
  if (target === null || reading === null) return [];
  const questions = target.identityQuestions(candidate.ref, reading);
  return questions.map(({ at, name, asked }) => ({ at, name: name ?? null, way: wayText(asked), everyMs: ASK_EVERY_MS }));
}

/** What each of them must say: `commit 3f2a9c1d… in x-git-sha, and production in x-environment`. */
export function wantedText({ target }: Release, { candidate, scope }: Plan): string | null {
  const identity = target?.identityOf(candidate.ref) ?? null;
  if (identity === null || identity === 'none') return null;
  const is = isOf(identity);
  const word = `${is === 'guid' ? 'GUID' : is} ${wordFor(candidate, is) ?? 'that its row does not have'}`;
  const environment = identity.environmentHeader ?? jsonText(identity.environmentJson);
  return `${word}${saidIn(identity)}${environment === undefined ? '' : `, and ${scope.environment} in ${environment}`}`;
}

function saidIn({ header, json, program }: IdentityConfig): string {
  const where = header ?? jsonText(json);
  if (where !== undefined) return ` in ${where}`;
  return program === undefined ? '' : ' to its program';
}

const jsonText = (keys: string | undefined) => (keys === undefined ? undefined : `JSON ${keys}`);

const WAYS_SHOWN = 8;

export function identityLines(
  asked: ReturnType<typeof askedMembers>,
  mustSay: string | null,
  { identity, candidate }: Plan,
): readonly string[] {
  if (identity === 'none') return ['  identity   no member is asked which build it is (identity: none)'];
  const [who, all] = asked.length === 1 ? ['1 member', 'It'] : [`${asked.length} members`, 'Each'];
  const more = asked.length > WAYS_SHOWN ? [`and ${asked.length - WAYS_SHOWN} more`] : [];
  const ways = asked.slice(0, WAYS_SHOWN).map(({ name, way }) => (name === null ? way : `${name}: ${way}`));
  return [
    `  identity   asks ${who} at ${candidate.ref} every ${msText(ASK_EVERY_MS)}, before and after each raise, and before it becomes known-good`,
    ...(mustSay === null ? [] : [`${all} must say ${mustSay}`]).map(indented),
    ...[...ways, ...more].map(indented),
  ];
}

const indented = (text: string) => `               ${text}`;
