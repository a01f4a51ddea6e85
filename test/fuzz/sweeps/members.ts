/** Many members of one place, each with an answer of its own: together they are a build only where none says otherwise. */
import { heard, whichBuild } from '../../../src/core/admission/answers.ts';
import type { IdentityConfig } from '../../../src/core/identity.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { askAll, askerOf } from '../../../src/engine/asking/ask.ts';
import type { Io } from '../../../src/io.ts';
import type { MemberAt } from '../../../src/routers/places.ts';
import { memberAt } from '../../engine/asking.ts';
import { hostileText } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustPrintSafely } from '../terminal.ts';

const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7' as Guid;
const COMMIT = '3f2a9c1d0b7e4f113f2a9c1d0b7e4f113f2a9c1d';
const OTHER = { guid: '0b9f1c2d-1111-4111-8111-000000000011', commit: 'c0ffee00'.repeat(5) };
const build = { guid: GUID, source: { repository: 'r', commit: COMMIT } };
const scope = { tenant: 'acme', environment: 'production', service: 'web' };

const KINDS = ['right', 'other', 'staging', 'half', 'silent', 'unsaid', 'homeless', 'nonsense'] as const;
type Kind = (typeof KINDS)[number];

interface One {
  readonly kind: Kind;
  /** Members with one number have one address. */
  readonly host: number;
  readonly location: string;
  readonly up: boolean;
  readonly text: string;
}

interface Place {
  readonly isCommit: boolean;
  readonly isJson: boolean;
  readonly isProtected: boolean;
  readonly members: readonly One[];
}

/** What a member sends; undefined where it does not answer. */
function answerOf({ isCommit, isJson }: Place, { kind, text }: One): Awaited<ReturnType<Io['http']>> | undefined {
  if (kind === 'silent') return undefined;
  const own = isCommit ? COMMIT : GUID;
  const words = { other: isCommit ? OTHER.commit : OTHER.guid, half: own.slice(0, 12), unsaid: '', nonsense: text };
  const word = kind in words ? words[kind as keyof typeof words] : own;
  const environment = kind === 'staging' ? 'staging' : kind === 'homeless' ? '' : 'production';
  return isJson
    ? { status: 200, headers: {}, body: JSON.stringify({ build: { is: word, environment } }) }
    : { status: 200, headers: { 'x-build': word, 'x-environment': environment }, body: '' };
}

const isOne = (one: One | undefined) => typeof one?.host === 'number' && KINDS.includes(one.kind) && typeof one.text === 'string';

async function judgePlace(place: Place): Promise<string> {
  const { members, isCommit, isJson, isProtected } = place;
  if (!Array.isArray(members) || members.length === 0 || !members.every(isOne)) return 'nothing';
  const asked = new Set<number>();
  const http: Io['http'] = async ({ url }) => {
    const host = Number(new URL(url).port) - 9000;
    must(!asked.has(host), 'a member was asked twice');
    asked.add(host);
    const one = members.find((member) => member.host === host);
    const answer = one && answerOf(place, one);
    if (answer === undefined) throw new Error('refused');
    return answer;
  };
  const where = isJson
    ? { json: 'build.is', environmentJson: 'build.environment' }
    : { header: 'x-build', environmentHeader: 'x-environment' };
  const identity: IdentityConfig = { path: '/', ...where, ...(isCommit ? { is: 'commit' } : {}) };
  const all = members.map(({ host, location, up }, index): MemberAt => {
    const member = memberAt({ address: `http://127.0.0.1:${9000 + host}` }, { name: `green-${index}`, place: 'green', up });
    return { key: `${location} green-${index}`, words: `member green-${index}`, location, member };
  });
  const answers = await askAll(
    identity,
    all,
    true,
    askerOf({ http, monotonic: () => 0 } as unknown as Io, () => false),
  );
  // Whoever is up at one location serves, even where another one reports it down.
  const serving = members.filter(({ host }) => members.some((one) => one.host === host && one.up));
  const kinds = new Set(serving.map(({ host }) => members.find((one) => one.host === host)?.kind));
  for (const { host } of serving) must(asked.has(host), 'a member that serves was not asked');
  const said = heard(answers, { build, scope, where: 'at green', isProtected });
  const which = whichBuild(answers, { rows: [{ scope, build }], scope, isProtected });
  mustPrintSafely([{ type: 'check', name: 'identity', ok: said.is === 'right', message: 'why' in said ? said.why : '' }]);
  const isSilent = (['silent', 'unsaid', 'homeless', 'half'] as const).some((kind) => kinds.has(kind));
  const isWrong = kinds.has('other') || kinds.has('staging') || kinds.has('nonsense');
  const mayBeRight = kinds.has('right') && !isWrong && !(isSilent && isProtected);
  must((said.is === 'right') === mayBeRight, `it is ${said.is}, of ${[...kinds].join()}`);
  if (kinds.has('other')) must(said.is === 'wrong', 'another build is no other build');
  const own = kinds.has('right') || kinds.has('staging') || kinds.has('homeless');
  if (own && (kinds.has('other') || kinds.has('nonsense'))) must(which.is === 'none', 'several builds are one');
  if (which.is === 'one') must(which.guid === (own ? GUID : OTHER.guid), 'a build that no member is');
  return said.is;
}

export const memberAnswers: Sweep<Place> = {
  name: 'member-answers',
  what: 'places whose members answer each for itself',
  kind: 'objects',
  share: 0.02,
  make: (luck: Luck) => {
    const odd = () => luck.pick<Kind>(KINDS.slice(1));
    const share = luck.pick([0, 0, 0.2, 0.6]);
    const isCommit = luck.chance(0.5);
    const members = Array.from({ length: 1 + luck.below(12) }, (_, index): One => {
      const kind = luck.chance(share) ? odd() : 'right';
      return {
        // What is no GUID says none; only a commit has a short form, and any other word is another commit.
        kind: !isCommit && (kind === 'half' || kind === 'nonsense') ? 'unsaid' : kind,
        host: luck.chance(0.2) ? luck.below(index + 1) : index,
        location: luck.pick(['east', 'west']),
        up: luck.chance(0.8),
        text: `x${hostileText(luck).replaceAll(/[^\x20-\x7e]/g, '?')}`,
      };
    });
    return { isCommit, isJson: luck.chance(0.5), isProtected: luck.chance(0.5), members };
  },
  judge: judgePlace,
  must: ['right', 'wrong', 'silent'],
};
