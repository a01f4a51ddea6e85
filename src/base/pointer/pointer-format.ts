/** The text format of the pointer: a line of canonical JSON and a line with its SHA-256. No I/O. */
import { createHash } from 'node:crypto';
import type { Change, Check, HttpCheck } from '../changes/change.ts';
import { GUID, NAME, type Scope } from '../scope.ts';
import { byKind, canonical, list, mapOf, oneOf, orNull, type Reader, shape, text, whole } from '../shape.ts';

export const MAX_POINTER_BYTES = 64 * 1024;

const MAX_EARLIER = 5;

const name = text(63, NAME);

export const scopeReader: Reader<Scope> = shape({ tenant: name, environment: name, service: name });

export const guidReader = text(36, GUID);

export const timeReader = text(40, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/);

const path = text(4096, /^\/[^\0]*$/);

const line = text(4096, /^[^\r\n\0]+$/);

const address = text(512, /^(?:\/[^\0\r\n]+|[^\s/]+:\d{1,5})$/);

const url = text(2048, /^https?:\/\/[\x21-\x7e]+$/);

const timeoutMs = whole(1, 60_000);

const secretName = text(128, /^[A-Za-z_][A-Za-z0-9_]*$/);

const header = text(64, /^[A-Za-z0-9-]+$/);

const content = text(MAX_POINTER_BYTES);

const method = oneOf('GET', 'PUT', 'POST', 'PATCH', 'DELETE');

const changeReader: Reader<Change> = byKind<Change>('kind', {
  'write-file': shape({ kind: oneOf('write-file'), path, content }),
  request: shape(
    { kind: oneOf('request'), method, url, expect: list(whole(100, 599), 32, 1), timeoutMs },
    { headers: mapOf(text(4096, /^[^\r\n\0]*$/), 32), body: content, bearerSecret: secretName },
  ),
  run: shape({ kind: oneOf('run'), argv: list(text(8192, /^[^\0]*$/), 256, 1), timeoutMs }),
  socket: shape({ kind: oneOf('socket'), address, commands: list(line, 512, 1), timeoutMs }, { saveTo: path }),
});

const httpCheckReader: Reader<HttpCheck> = shape(
  { kind: oneOf('http'), url, equals: text(256), timeoutMs },
  { header, json: list(text(128), 16, 1) },
);

const texts = list(text(256), 64);

const tableColumns = mapOf(texts, 16);

const checkReader: Reader<Check> = byKind<Check>('kind', {
  file: shape({ kind: oneOf('file'), path, content }),
  http: httpCheckReader,
  table: shape({
    kind: oneOf('table'),
    address,
    command: line,
    separator: oneOf(' ', ','),
    where: mapOf(text(256), 16),
    key: text(128),
    rows: mapOf(tableColumns, 512),
    others: list(tableColumns, 16),
    timeoutMs,
  }),
});

const restoreReader = shape({
  build: shape({
    guid: guidReader,
    digest: text(71, /^sha256:[0-9a-f]{64}$/),
    version: text(128),
    sequence: whole(0, Number.MAX_SAFE_INTEGER),
    /** The router's name for its place. */
    ref: text(128, /^[A-Za-z0-9][A-Za-z0-9._:-]*$/),
  }),
  knownGoodSince: timeReader,
  changes: list(changeReader, 128, 1),
  checks: list(checkReader, 128),
  /** Queries the build at its own address for its GUID; null if the builds here do not report it. */
  identity: orNull(httpCheckReader),
});

/** A build that was known-good, and everything needed to restore it. */
export type Restore = ReturnType<typeof restoreReader>;

const pointerReader = shape({
  formatVersion: oneOf(1),
  generation: whole(1, 999_999_999_999),
  scope: scopeReader,
  writtenAt: timeReader,
  why: oneOf('adopted', 'before-rollout', 'promoted', 'rolled-back', 'imported', 'rendered-again'),
  rollout: orNull(text(128)),
  ledgerHead: orNull(text(128)),
  knownGood: restoreReader,
  /** Earlier known-good builds, newest first, each rendered for the current members. */
  earlier: list(restoreReader, MAX_EARLIER),
  /** GUIDs of builds marked bad. */
  bad: list(guidReader, 1024),
  /** How long the router can still act on a connection after kvdeploy's last byte. */
  idleTimeoutMs: whole(0, 60_000),
});

export type Pointer = ReturnType<typeof pointerReader>;

/** SHA-256, lower-case hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The pointer's bytes. Omits the oldest earlier builds if they do not fit into 64 KiB; throws if the rest does not fit. */
export function encodePointer(pointer: Pointer): string {
  const first = canonical(pointerReader(pointer, 'pointer'));
  const encoded = `${first}\nsha256:${sha256(first)}\n`;
  if (Buffer.byteLength(encoded) <= MAX_POINTER_BYTES) return encoded;
  if (pointer.earlier.length === 0) throw new Error(`the pointer would have more than ${MAX_POINTER_BYTES} bytes`);
  return encodePointer({ ...pointer, earlier: pointer.earlier.slice(0, -1) });
}

/** Reads a pointer's bytes; throws an Error that says what is wrong. */
export function decodePointer(encoded: string): Pointer {
  const [first = '', sum, rest, ...more] = encoded.split('\n');
  if (rest !== '' || more.length > 0) throw new Error('it does not consist of two complete lines');
  if (sum !== `sha256:${sha256(first)}`) throw new Error('its checksum does not match');
  const said = JSON.parse(first) as { formatVersion?: unknown } | null;
  const version = said?.formatVersion;
  if (version !== 1) throw new Error(`its format is ${String(version)}, but this program supports only format 1`);
  const pointer = pointerReader(said, 'pointer');
  // This finds a repeated key, of which JSON.parse takes the last.
  if (canonical(pointer) !== first) throw new Error('its JSON is not in canonical form');
  return pointer;
}
