/**
 * The text format of the pointer: a line of canonical JSON and a line with its SHA-256. No I/O. Format 2 is written; format 1, which
 * older versions wrote, is read as what it means in format 2. Later keys of format 2 are optional ones.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { SSH_FILE, SSH_WAY, type SshWay } from '../at/at-way.ts';
import type { TargetQuestion } from '../changes/change.ts';
import { GUID, NAME, type Scope } from '../scope.ts';
import { canonical, list, mapOf, oneOf, orNull, type Reader, shape, text, whole } from '../shape.ts';
import { changeReader, checkReader, httpCheck, httpPlace, identityReader, questionReader } from './change-format.ts';

/** All of it: every change, check and member of every build that it can restore. Break-glass reads ten generations before it decides. */
export const MAX_POINTER_BYTES = 1024 * 1024;

/** Of one build, over all its locations. */
const [MAX_CHANGES, MAX_CHECKS] = [1024, 1024];

/** Of one build: as many are asked; also the rows of one location that are to be alike. */
export const MAX_MEMBERS = 4096;

const MAX_EARLIER = 5;

const name = text(63, NAME);

export const scopeReader: Reader<Scope> = shape({ tenant: name, environment: name, service: name });

export const guidReader = text(36, GUID);

export const timeReader = text(40, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/);

/** Before the first that is written, every break-glass.mjs next to a pointer is replaced by one that reads it. */
const FORMAT = 2;

const restoreFields = {
  build: shape({
    guid: guidReader,
    digest: text(71, /^sha256:[0-9a-f]{64}$/),
    version: text(128),
    sequence: whole(0, Number.MAX_SAFE_INTEGER),
    /** The router's name for its place. */
    ref: text(128, /^[A-Za-z0-9][A-Za-z0-9._:-]*$/),
  }),
  knownGoodSince: timeReader,
  changes: list(changeReader, MAX_CHANGES, 1),
  checks: list(checkReader, MAX_CHECKS),
};

const restoreReader = shape(
  {
    ...restoreFields,
    /** Each asks one member of its place which build it is; empty if the builds here do not report it. */
    identity: list(identityReader, MAX_MEMBERS),
  },
  {
    /** Who took it over from another machine, and when: its bake and its gates were seen there, not here. */
    imported: shape({ at: timeReader, by: text(256) }),
  },
);

/** A build that was known-good, and everything needed to restore it. */
export type Restore = ReturnType<typeof restoreReader>;

const pointerFields = {
  generation: whole(1, 999_999_999_999),
  scope: scopeReader,
  writtenAt: timeReader,
  rollout: orNull(text(128)),
  ledgerHead: orNull(text(128)),
  /** GUIDs of builds marked bad. */
  bad: list(guidReader, 1024),
  /** How long the router can still act on a connection after kvdeploy's last byte. */
  idleTimeoutMs: whole(0, 60_000),
};

const WRITTEN = ['adopted', 'before-rollout', 'promoted', 'rolled-back', 'imported', 'rendered-again'] as const;

const ip: Reader<string> = (value, at) => {
  if (typeof value === 'string' && isIP(value) !== 0) return value;
  throw new Error(`${at} must be an IP address`);
};

/** How another host is reached: as ssh takes it. */
const sshReader: Reader<SshWay> = shape(
  { ssh: text(256, SSH_WAY) },
  { port: whole(1, 65_535), key: text(4096, SSH_FILE), knownHosts: text(4096, SSH_FILE) },
);

const pointerReader = shape({
  ...pointerFields,
  formatVersion: oneOf(FORMAT),
  why: oneOf(...WRITTEN, 'before-rollback'),
  knownGood: restoreReader,
  /** Earlier known-good builds, newest first, each rendered for the current members. */
  earlier: list(restoreReader, MAX_EARLIER),
  /** How the target itself says which environment it is, and the environments that were known then and that it must not be. */
  target: shape({ questions: list(questionReader, 64), others: list(name, 64) }, { hosts: mapOf(sshReader, 64) }),
  /** What the host names in changes, checks and questions resolved to when this was written: for when no name resolves. */
  addresses: mapOf(list(ip, 16, 1), MAX_MEMBERS),
});

export type Pointer = ReturnType<typeof pointerReader>;

const restoreReader1 = shape({ ...restoreFields, identity: orNull(shape(httpCheck, httpPlace)) });

const pointerReader1 = shape({
  ...pointerFields,
  formatVersion: oneOf(1),
  why: oneOf(...WRITTEN),
  knownGood: restoreReader1,
  earlier: list(restoreReader1, MAX_EARLIER),
});

/** A pointer of format 1 in format 2. What it does not say is not known: no environments, no addresses. */
function fromFormat1(pointer: ReturnType<typeof pointerReader1>): Pointer {
  const upgraded = ({ identity, ...rest }: ReturnType<typeof restoreReader1>): Restore => ({
    ...rest,
    identity: identity === null ? [] : [identity],
  });
  return {
    ...pointer,
    formatVersion: FORMAT,
    knownGood: upgraded(pointer.knownGood),
    earlier: pointer.earlier.map(upgraded),
    target: { questions: questionsOfFormat1(pointer.knownGood), others: [] },
    addresses: {},
  };
}

/** Format 1 was written for two routers: the sockets of HAProxy, and the status of the local router. */
function questionsOfFormat1({ changes, checks }: Pick<Restore, 'changes' | 'checks'>): TargetQuestion[] {
  const sockets = new Set(changes.flatMap((change) => (change.kind === 'socket' ? [change.address] : [])));
  const statuses = checks.flatMap((check) => (check.kind === 'http' && check.json?.[0] === 'applied' ? [check] : []));
  return [
    ...[...sockets].map((address): TargetQuestion => {
      const level = { command: 'show cli level', answer: 'admin' };
      return { kind: 'socket', address, command: 'show info', field: 'description', level, timeoutMs: 2000 };
    }),
    ...statuses.map(({ url }): TargetQuestion => ({ kind: 'http', url, json: ['scope', 'environment'], timeoutMs: 2000 })),
  ];
}

/** SHA-256, lower-case hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The pointer's bytes. Omits the oldest earlier builds if they do not fit into 1 MiB; throws if the rest does not fit. */
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
  if (version !== 1 && version !== FORMAT)
    throw new Error(`its format is ${String(version)}, but this program supports only formats 1 and ${FORMAT}`);
  const pointer = version === 1 ? pointerReader1(said, 'pointer') : pointerReader(said, 'pointer');
  // This finds a repeated key, of which JSON.parse takes the last.
  if (canonical(pointer) !== first) throw new Error('its JSON is not in canonical form');
  return pointer.formatVersion === 1 ? fromFormat1(pointer) : pointer;
}
