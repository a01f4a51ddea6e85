/** Asks members which build they are, at most 32 of a target at once. Must not decide anything, and must never take silence for an answer. */
import type { Asked, Told } from '../../base/changes/change.ts';
import { type Heard, hearHttp, hearProgram, type Where, whereText } from '../../base/changes/hear.ts';
import { type Limited, limited } from '../../base/limited.ts';
import type { MemberAnswer } from '../../core/admission/answers.ts';
import type { Answer } from '../../core/admission/named.ts';
import { type Identity, type IdentityConfig, isOf, saysEnvironment } from '../../core/identity.ts';
import { parseGuid } from '../../core/scope.ts';
import type { Io } from '../../io.ts';
import type { MemberAt } from '../../routers/places.ts';
import { environmentWhere, type Question, questionsAt, wayText } from './questions.ts';

const MAX_BODY_BYTES = 64 * 1024;

const AT_ONCE = 32;

/** No new question begins after that: many that hang must not keep the one waiting that is another build. */
const ASK_WITHIN_MS = 5000;

/** What the config and this run allow. */
export interface Asker {
  readonly io: Io;
  /** Whether this program of the config may run. */
  readonly mayRun: (argv: readonly string[]) => boolean;
  readonly inTurn: Limited;
}

/** One for each target, so that many places together stay within the limit. */
export function askerOf(io: Io, mayRun: Asker['mayRun']): Asker {
  return { io, mayRun, inTurn: limited(AT_ONCE) };
}

/** Asks all of them. Each member is asked once, however many locations send there; one that is down is not. Never rejects. */
export async function askAll(
  identity: Identity | null,
  members: readonly MemberAt[],
  several: boolean,
  asker: Asker,
): Promise<readonly MemberAnswer[]> {
  if (identity === null || identity === 'none') {
    const answer: Answer =
      identity === null
        ? { unreachable: 'the config does not say where a build reports its GUID (identity)' }
        : { unasked: 'the config says identity: none' };
    const asked = questionsAt({ path: '/' }, members, several);
    return asked.map((question) => ({ ...whoIs(question), answer }));
  }
  const until = asker.io.monotonic() + ASK_WITHIN_MS;
  const answers = questionsAt(identity, members, several).map(async (question): Promise<MemberAnswer> => {
    const inTime = () => question.isDown || asker.io.monotonic() <= until;
    const answer = await asker.inTurn(async () => (inTime() ? answerTo(question, identity, asker) : UNASKED));
    const way = 'why' in question.asked ? {} : { way: wayText(question.asked) };
    return { ...whoIs(question), ...way, answer };
  });
  return Promise.all(answers);
}

async function answerTo({ isDown, asked }: Question, identity: IdentityConfig, asker: Asker): Promise<Answer> {
  if (isDown) return { down: 'the router reports it down, so it was not asked' };
  if ('why' in asked) return { unreachable: asked.why };
  return asked.kind === 'run' && !asker.mayRun(asked.argv) ? { unreachable: NOT_RUN } : hear(asked, identity, asker.io);
}

const UNASKED: Answer = { unreachable: `it was not asked: the others took ${ASK_WITHIN_MS / 1000} s` };

const whoIs = ({ at, of, name }: Question) => ({ at, of, ...(name === undefined ? {} : { name }) });

const NOT_RUN = 'identity runs a program that the config names: add --run-programs, or list its argv in the machine file';

/**
 * Asks one member. A null is something that it did not say; `said` shows people what came instead. Any status counts: a sick build still
 * knows its name. Never rejects; no answer within 2 s, one of over 64 KiB, or a redirect, which speaks for some other address, is
 * `unreachable`.
 */
export async function hear(asked: Asked | Told, identity: IdentityConfig, io: Io): Promise<Answer> {
  const way = wayText(asked);
  const small: Io = { ...io, http: (request, allowed) => io.http({ ...request, mostBytes: MAX_BODY_BYTES }, allowed) };
  let heard: Heard;
  try {
    heard = asked.kind === 'http' ? await hearHttp(asked, small) : await hearProgram(asked, io);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { unreachable: `${way} does not answer: ${why}${hintFor(asked, why)}` };
  }
  if (heard.redirect) return { unreachable: `${way} ${heard.answered}, a redirect, which is never an identity` };
  return answerIn(heard, asked, identity);
}

function answerIn(heard: Heard, asked: Asked | Told, identity: IdentityConfig): Answer {
  const is = isOf(identity);
  const word = saidAt(heard, asked);
  const where = environmentWhere(identity);
  const environment = where === undefined ? null : saidAt(heard, where);
  const isUnsaid = saysEnvironment(identity) && environment === null;
  const shown = (name: string, text: string | null) =>
    `${name}: ${text === null ? 'nothing' : JSON.stringify(text.slice(0, 80))}`;
  const name = nameOf(asked);
  const said = [heard.answered, shown(name, word), ...(where === undefined ? [] : [shown(nameOf(where), environment)])];
  return {
    guid: is !== 'guid' || word === null ? null : (parseGuid(word) ?? null),
    ...(is === 'guid' ? {} : { named: { is, word } }),
    environment,
    ...(isUnsaid && where !== undefined ? { unsaid: nameOf(where) } : {}),
    said: said.join(', '),
  };
}

function saidAt(heard: Heard, where: Where): string | null {
  const text = heard.said(where)?.trim();
  return text === undefined || text === '' ? null : text;
}

const nameOf = (where: Where) => (where.json === undefined ? whereText(where) : `JSON ${whereText(where)}`);

/** What a router can do, and a direct question was not told, where that may be the reason. */
function hintFor(asked: Asked | Told, why: string): string {
  if (asked.kind === 'run') return '';
  if (asked.url.startsWith('https:') && /certificate|altname|self.signed|issuer/i.test(why))
    return '; its certificate must be valid here: give identity: ca and serverName, see docs/identity.md';
  const isPlain = asked.proxyProtocol === undefined;
  return isPlain && /hang up|reset|closed/i.test(why)
    ? '; if the server expects TLS or the PROXY protocol (send-proxy), say so: identity: scheme, proxyProtocol'
    : '';
}
