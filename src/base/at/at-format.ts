/**
 * What a host is asked over SSH, and what it answers: one JSON document a line. Later keys are optional ones. No I/O.
 * `formatVersion` is the program's on both sides: one that does not know it refuses by name.
 */
import type { Check, Deed, TargetQuestion } from '../changes/change.ts';
import { askedReader, changeReader, checkReader, questionReader } from '../pointer/change-format.ts';
import { NAME, type Scope } from '../scope.ts';
import { byKind, list, mapOf, oneOf, type Reader, shape, text, whole } from '../shape.ts';

export const AT_FORMAT = 1;

/** A line may have this many bytes: a state file of some thousand servers, or a pointer's change. */
export const MOST_LINE_BYTES = 16 * 1024 * 1024;

/**
 * `by`: a rescue is not stopped by a hold, which it sets itself. `untilMs`: by the clock of that host, when a change may still begin: whoever sent it
 * does not wait for it any longer, and may have sent another one since.
 */
export interface Order {
  readonly formatVersion: typeof AT_FORMAT;
  readonly id: number;
  readonly scope: Scope;
  readonly at: string;
  readonly by: 'rollout' | 'rescue';
  readonly untilMs?: number;
  readonly deed: Deed;
}

/** `held`: nothing was sent. `refused`: the machine file there does not allow it, and `fix` says what it lacks. `nowMs`: the clock of that host. */
export type Reply = { readonly nowMs: number; readonly id: number } & (
  | { readonly done: unknown }
  | { readonly failed: string }
  | { readonly held: string }
  | { readonly refused: string; readonly fix: string }
);

const path = text(4096, /^\/[^\0]*$/);

const timeoutMs = whole(1, 120_000);

const name = text(63, NAME);

const member = text(512);

const SHOW = 'show (?:info|cli level|stat|servers state)(?: [A-Za-z0-9._: -]*)?';

/** What may be said on a socket by a deed that only looks: nothing that changes something, and nothing that shows more than HAProxy's state. */
const showing = text(4096, new RegExp(`^${SHOW}(?:; ?${SHOW})*(?:; ?quit)?$`));

/** A check only looks, whatever its table is asked by. */
const lookReader: Reader<Check> = (value, at) => {
  const check = checkReader(value, at);
  if (check.kind === 'table') showing(check.command, `${at}.command`);
  return check;
};

const asksReader: Reader<TargetQuestion> = (value, at) => {
  const question = questionReader(value, at);
  if (question.kind !== 'socket') return question;
  showing(question.command, `${at}.command`);
  if (question.level !== undefined) showing(question.level.command, `${at}.level.command`);
  return question;
};

const deedReader: Reader<Deed> = byKind<Deed>('do', {
  hello: shape({ do: oneOf('hello') }),
  make: shape({ do: oneOf('make'), change: changeReader }),
  may: shape({ do: oneOf('may'), change: changeReader }),
  check: shape({ do: oneOf('check'), check: lookReader }),
  question: shape({ do: oneOf('question'), question: asksReader, own: name, others: list(name, 64) }),
  hear: shape({ do: oneOf('hear'), asked: askedReader }),
  socket: shape({ do: oneOf('socket'), address: text(512), line: showing, timeoutMs }),
  run: shape({ do: oneOf('run'), argv: list(text(8192, /^[^\0]*$/), 256, 1), timeoutMs }, { stdin: text(1024 * 1024) }),
  read: shape({ do: oneOf('read'), path }),
  log: shape({ do: oneOf('log'), path, members: mapOf(list(member, 1000), 100) }),
  workers: shape({ do: oneOf('workers'), pidFile: path, answered: list(whole(1, 2 ** 31), 1000) }),
});

const orderReader: Reader<Order> = shape(
  {
    formatVersion: oneOf(AT_FORMAT),
    id: whole(0, Number.MAX_SAFE_INTEGER),
    scope: shape({ tenant: name, environment: name, service: name }),
    at: text(512, /^[^\r\n\0]+$/),
    by: oneOf('rollout', 'rescue'),
    deed: deedReader,
  },
  { untilMs: whole(0, Number.MAX_SAFE_INTEGER) },
);

/** Reads one line. Throws an Error that says where it is wrong, and why; never with what stands there, which may be a secret. */
export function parseOrder(line: string): Order {
  let order: unknown;
  try {
    order = JSON.parse(line);
  } catch {
    throw new Error('it is not JSON');
  }
  return orderReader(order, 'order');
}

/** Splits what arrives into lines. Throws where one is too long. */
export function linesInto(take: (line: string) => void, mostBytes = MOST_LINE_BYTES): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = text.split('\n');
    lines[0] = rest + (lines[0] ?? '');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
    if (rest.length > mostBytes) throw new Error(`a line of more than ${mostBytes} bytes`);
  };
}
