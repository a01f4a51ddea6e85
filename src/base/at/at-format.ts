/**
 * What a host is asked over SSH, and what it answers: one JSON document a line. Later keys are optional ones. No I/O.
 * `formatVersion` is the program's on both sides: one that does not know it refuses by name.
 */
import type { Asking, Deed } from '../changes/change.ts';
import { changeReader, checkReader, questionReader } from '../pointer/change-format.ts';
import { NAME, type Scope } from '../scope.ts';
import { byKind, list, mapOf, oneOf, type Reader, shape, text, whole } from '../shape.ts';

export const AT_FORMAT = 1;

/** A line may have this many bytes: a state file of some thousand servers, or a pointer's change. */
export const MOST_LINE_BYTES = 16 * 1024 * 1024;

/** `by`: a rescue is not stopped by a hold, which it sets itself. */
export interface Order {
  readonly formatVersion: typeof AT_FORMAT;
  readonly id: number;
  readonly scope: Scope;
  readonly at: string;
  readonly by: 'rollout' | 'rescue';
  readonly deed: Deed;
}

/** `held`: nothing was sent. `refused`: the machine file there does not allow it, and `fix` says what it lacks. */
export type Reply =
  | { readonly id: number; readonly done: unknown }
  | { readonly id: number; readonly failed: string }
  | { readonly id: number; readonly held: string }
  | { readonly id: number; readonly refused: string; readonly fix: string };

const path = text(4096, /^\/[^\0]*$/);

const timeoutMs = whole(1, 120_000);

const name = text(63, NAME);

const member = text(512);

const asking = shape(
  { method: oneOf('GET'), url: text(2048, /^https?:\/\/[\x21-\x7e]+$/), timeoutMs },
  {
    headers: mapOf(text(4096, /^[^\r\n\0]*$/), 32),
    mostBytes: whole(1, 16 * 1024 * 1024),
    connectTo: text(512),
    unixSocket: text(107, /^\/[^\0\r\n]*$/),
    proxyProtocol: oneOf(1, 2),
    host: text(512, /^[\x21-\x7e]+$/),
    tls: shape({}, { ca: text(1024 * 1024), servername: text(253), insecure: oneOf(true, false) }),
  },
) as Reader<Asking>;

/** Only what shows something may be said on a socket by itself: whatever changes something is a change. */
const showing = text(4096, /^(?:show [^;\r\n\0]*)(?:; ?show [^;\r\n\0]*)*(?:; ?quit)?$/);

const deedReader: Reader<Deed> = byKind<Deed>('do', {
  hello: shape({ do: oneOf('hello') }),
  make: shape({ do: oneOf('make'), change: changeReader }),
  may: shape({ do: oneOf('may'), change: changeReader }),
  check: shape({ do: oneOf('check'), check: checkReader }),
  question: shape({ do: oneOf('question'), question: questionReader, own: name, others: list(name, 64) }),
  http: shape({ do: oneOf('http'), asking }),
  socket: shape({ do: oneOf('socket'), address: text(512), line: showing, timeoutMs }),
  run: shape({ do: oneOf('run'), argv: list(text(8192, /^[^\0]*$/), 256, 1), timeoutMs }, { stdin: text(1024 * 1024) }),
  read: shape({ do: oneOf('read'), path }),
  log: shape({ do: oneOf('log'), path, members: mapOf(list(member, 1000), 100) }),
  workers: shape({ do: oneOf('workers'), pidFile: path, answered: list(whole(1, 2 ** 31), 1000) }),
});

const orderReader: Reader<Order> = shape({
  formatVersion: oneOf(AT_FORMAT),
  id: whole(0, Number.MAX_SAFE_INTEGER),
  scope: shape({ tenant: name, environment: name, service: name }),
  at: text(512, /^[^\r\n\0]+$/),
  by: oneOf('rollout', 'rescue'),
  deed: deedReader,
});

/** Reads one line. Throws an Error that says where it is wrong, and why. */
export function parseOrder(line: string): Order {
  return orderReader(JSON.parse(line), 'order');
}
