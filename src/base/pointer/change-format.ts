/** The shape of changes, checks, identities and questions in a pointer of format 2. Later keys are optional ones. No I/O. */
import type { Asked, Bits, Change, Check, TargetQuestion } from '../changes/change.ts';
import type { IdentityCheck } from '../changes/identity.ts';
import { NAME } from '../scope.ts';
import { byKind, list, mapOf, oneOf, type Reader, shape, text, whole } from '../shape.ts';

/** Of a file that is written, or a body that is sent. */
const CONTENT_CHARS = 1024 * 1024;

/** Rows of one table: the servers of one backend. */
const MAX_ROWS = 4096;

const path = text(4096, /^\/[^\0]*$/);

const line = text(4096, /^[^\r\n\0]+$/);

const address = text(512, /^(?:\/[^\0\r\n]+|[^\s/]+:\d{1,5})$/);

const url = text(2048, /^https?:\/\/[\x21-\x7e]+$/);

const timeoutMs = whole(1, 60_000);

const secretName = text(128, /^[A-Za-z_][A-Za-z0-9_]*$/);

const header = text(64, /^[A-Za-z0-9-]+$/);

const content = text(CONTENT_CHARS);

const equals = text(16 * 1024);

const method = oneOf('GET', 'PUT', 'POST', 'PATCH', 'DELETE');

const yes = oneOf(true);

const located = { at: text(512, /^[^\r\n\0]+$/) };

const secret = shape({ name: secretName, header }, { scheme: text(64, /^[A-Za-z0-9_.-]+$/) });

const way = { ca: path, serverName: text(253, /^[A-Za-z0-9._:-]+$/), secret };

const askedWay = {
  ...way,
  insecure: yes,
  host: text(512, /^[\x21-\x7e]+$/),
  unixSocket: text(107, /^\/[^\0\r\n]*$/),
  proxyProtocol: oneOf(1, 2),
};

const argv = list(text(8192, /^[^\0]*$/), 256, 1);

export const changeReader: Reader<Change> = byKind<Change>('kind', {
  'write-file': shape({ kind: oneOf('write-file'), path, content }, located),
  request: shape(
    { kind: oneOf('request'), method, url, expect: list(whole(100, 599), 32, 1), timeoutMs },
    {
      headers: mapOf(text(4096, /^[^\r\n\0]*$/), 32),
      body: content,
      bearerSecret: secretName,
      cert: path,
      key: path,
      ...way,
      ...located,
    },
  ),
  run: shape({ kind: oneOf('run'), argv, timeoutMs }, { stdin: content, ...located }),
  socket: shape({ kind: oneOf('socket'), address, commands: list(line, 512, 1), timeoutMs }, { saveTo: path, ...located }),
});

const keys = list(text(128), 16, 1);

export const httpCheck = { kind: oneOf('http'), url, equals, timeoutMs };

export const httpPlace = { header, json: keys };

const asked = { ...httpPlace, ...askedWay, ...located };

/** What an HTTP server is asked, whatever it is to say. */
export const askedReader: Reader<Asked> = shape({ kind: oneOf('http'), url, timeoutMs }, asked);

const runCheck = { kind: oneOf('run'), argv, json: keys, equals, timeoutMs };

const told = { stdin: content, ...located };

const texts = list(text(256), 64);

const bits = whole(1, 2 ** 30);

const anyBits = shape({ any: bits });

const noBits = shape({ none: bits });

function limitReader(value: unknown, at: string): readonly string[] | Bits {
  if (Array.isArray(value)) return texts(value, at);
  return Object.hasOwn(Object(value), 'any') ? anyBits(value, at) : noBits(value, at);
}

const columns = mapOf(limitReader, 16);

const group = shape(
  { keys: list(text(1024), MAX_ROWS, 1), columns },
  { idle: list(shape({ is: text(64), columns }), 8), least: whole(1, MAX_ROWS) },
);

export const checkReader: Reader<Check> = byKind<Check>('kind', {
  file: shape({ kind: oneOf('file'), path, content }, located),
  http: shape(httpCheck, { ...asked, times: whole(1, 1000), settleMs: whole(0, 60_000) }),
  run: shape(runCheck, told),
  table: shape(
    {
      kind: oneOf('table'),
      address,
      command: line,
      separator: oneOf(' ', ','),
      where: mapOf(text(256), 16),
      key: text(128),
      rows: mapOf(columns, MAX_ROWS),
      others: list(columns, 16),
      timeoutMs,
    },
    { groups: list(group, 256), ...located },
  ),
});

const heard = { exact: yes, environment: shape({ equals: text(63, NAME) }, httpPlace), members: list(text(1024), MAX_ROWS, 1) };

export const identityReader: Reader<IdentityCheck> = byKind<IdentityCheck>('kind', {
  http: shape(httpCheck, { ...asked, ...heard }),
  run: shape({ kind: oneOf('run'), argv, equals, timeoutMs }, { json: keys, ...told, ...heard }),
});

export const questionReader: Reader<TargetQuestion> = byKind<TargetQuestion>('kind', {
  socket: shape(
    { kind: oneOf('socket'), address, command: line, field: text(128), timeoutMs },
    { level: shape({ command: line, answer: text(128) }), ...located },
  ),
  http: shape({ kind: oneOf('http'), url, json: keys, timeoutMs }, located),
  run: shape({ kind: oneOf('run'), argv, json: keys, timeoutMs }, told),
});
