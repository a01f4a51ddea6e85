/** HAProxy through its runtime API, on one or more sockets that must all agree. Must not trust its own last command. */
import { normalize } from 'node:path';
import * as z from 'zod';
import type { Change, Check, Columns, Socket, TableCheck } from '../../base/changes/change.ts';
import { type TargetQuestion, wordsOf } from '../../base/changes/target-question.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Share, Split } from '../../core/rollout/split.ts';
import type { Io } from '../../io.ts';
import { type Leaving, type LocationSplit, markFile, type Reading, type Router, type Unseen, type Unusable } from '../router.ts';
import { ADMIN_STATES, isMaster, parseLocation, readingLine, statisticsLine, withStatistics } from './haproxy-answer.ts';
import { type Written, writtenOf } from './haproxy-file.ts';
import { type Answered, readingOf } from './haproxy-reading.ts';
import { compactRows } from './haproxy-rows.ts';
import { adminCure, masterCure, unsavable } from './haproxy-setup.ts';
import { nearestPercent, SMALLEST_PERCENT, weightsFor } from './haproxy-weights.ts';

const TIMEOUT_MS = 2000;

/** HAProxy reads one line into a buffer of 16 KiB (tune.bufsize). */
const LINE_BYTES = 8000;

/** The maximum length of a socket path without its NUL (unix(7)). Node silently cuts off a longer one, which names another socket. */
const SOCKET_PATH_BYTES = 107;

const absolutePath = z.string().regex(/^\/[^\0\r\n]{1,4095}$/u, 'an absolute path');

const socketAddress = z
  .string()
  .regex(/^(?:\/[^\0\r\n]{1,106}|(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4})$/u, 'an absolute path or host:port')
  .refine(
    (address) => !address.startsWith('/') || Buffer.byteLength(address) <= SOCKET_PATH_BYTES,
    'a socket path has at most 107 bytes',
  );

const config = z
  .strictObject({
    sockets: z
      .array(socketAddress)
      .min(1)
      .max(16)
      .refine((sockets) => new Set(sockets).size === sockets.length, 'each socket once')
      .describe(
        'Runtime API of each HAProxy that serves this service (`stats socket … level admin`): a path or host:port; all must agree',
      ),
    backend: z
      .string()
      .regex(/^[A-Za-z0-9_.:-]{1,128}$/, 'the name after `backend` in haproxy.cfg')
      .describe('The backend whose servers are the places; a build’s `ref` is a server name'),
    serverStateFile: z
      .union([absolutePath, z.array(absolutePath).min(1).max(16)])
      .optional()
      .describe(
        'The file from which each HAProxy loads its server states (`server-state-file`), one per socket; without it, a reload loses the split',
      ),
    identify: z
      .enum(['description', 'node'])
      .default('description')
      .describe('The field of `show info` that names the environment: description (“gateway environment=production”) or node'),
    balance: z
      .enum(['dynamic', 'static'])
      .default('dynamic')
      .describe('static for static-rr and every hash (source, uri, hdr…): HAProxy then supports only 0 % and 100 %'),
  })
  .refine(({ sockets, serverStateFile }) => stateFilesFit(sockets, serverStateFile), {
    path: ['serverStateFile'],
    error: 'give one file per socket, in the same order, without duplicates',
  });

export type HaproxyConfig = z.infer<typeof config>;

/** Implements the Router port. Protocol: HAProxy 2.6 management guide, section 9.3 (set server, show servers state, show stat). */
export const haproxy: Router<HaproxyConfig> = {
  kind: 'haproxy',
  summary: 'HAProxy through its runtime API, on one or more sockets',
  config,
  targets: ({ sockets, backend }) => sockets.map((socket) => `${socket.startsWith('/') ? normalize(socket) : socket} ${backend}`),
  impossible,
  locations: ({ sockets }) => sockets,
  placeSettings: () => null,
  changes,
  checks,
  read,
  identify,
  questions,
  marks,
  // The default `stats timeout`.
  idleTimeoutMs: 10_000,
};

/** The granularity of weights: whole numbers up to 256, one of which is within 1 % of the share that was asked for. */
function impossible(_config: HaproxyConfig, reading: Reading, percent: number): string | undefined {
  if (reading.unusable !== undefined) return reading.unusable.why;
  if (percent === 0 || percent === 100) return undefined;
  if (reading.wholeOnly !== undefined) return `${reading.wholeOnly}; use the single step 100 %`;
  const nearest = nearestPercent(percent);
  const smaller = Math.min(percent, 100 - percent);
  if (smaller >= SMALLEST_PERCENT && Math.abs(nearest - percent) <= smaller / 100) return undefined;
  return `HAProxy's maximum weight is 256, so it cannot set ${percent} %; the nearest possible value is ${Number(nearest.toFixed(3))} %`;
}

function changes(settings: HaproxyConfig, wanted: readonly LocationSplit[], how: Leaving): readonly Change[] {
  const set = wanted.flatMap(({ location: address, split }) =>
    joinable(commandsFor(settings, split, how)).map(
      (commands): Socket => ({ kind: 'socket', address, commands, timeoutMs: TIMEOUT_MS }),
    ),
  );
  // Saved after every socket was set: a full disk must not stop the shift at the next location.
  const save = stateFiles(settings.serverStateFile).map((saveTo, index): Socket => {
    const address = settings.sockets[index] ?? '';
    return { kind: 'socket', address, commands: ['show servers state'], saveTo, timeoutMs: TIMEOUT_MS };
  });
  return [...set, ...save];
}

/**
 * First the servers that take traffic, the largest share first, then those that leave: at every moment a server is in rotation,
 * and none gets more than its old or new share. The weight is set before `ready`, which would restore an old weight for a moment.
 */
function commandsFor({ backend, balance }: HaproxyConfig, split: Split, { leaving }: Leaving): string[] {
  const server = ({ place }: Share) => `server ${backend}/${place}`;
  const taking = weighted(split).flatMap(({ share, weight }) => [
    `set ${server(share)} weight ${balance === 'static' ? '100%' : weight}`,
    `set ${server(share)} state ready`,
  ]);
  const left = inOrder(split)
    .filter(({ percent }) => percent === 0)
    .flatMap((share) => {
      // At weight 0 and in drain HAProxy still sends clients with a persistence cookie there; only maint moves them.
      const state = leaving === 'drain' ? 'drain' : 'maint';
      const leave = [`set ${server(share)} state ${state}`, `set ${server(share)} weight 0`];
      return leaving === 'drain' ? leave : [...leave, `shutdown sessions ${server(share)}`];
    });
  return [...taking, ...left];
}

function checks(settings: HaproxyConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  return wanted.map(
    ({ location: address, split }): TableCheck => ({
      kind: 'table',
      address,
      command: `show servers state ${settings.backend}`,
      separator: ' ',
      where: { be_name: settings.backend },
      key: 'srv_name',
      ...compactRows(rowsFor(settings, split)),
      others: [{ srv_admin_state: ADMIN_STATES.out }, { srv_uweight: ['0'] }],
      timeoutMs: TIMEOUT_MS,
    }),
  );
}

function rowsFor({ balance }: HaproxyConfig, split: Split): TableCheck['rows'] {
  const rows: Record<string, Columns> = {};
  for (const { share, weight } of weighted(split)) {
    const exact = balance === 'static' ? {} : { srv_uweight: [String(weight)] };
    rows[share.place] = { srv_admin_state: ADMIN_STATES.ready, srv_op_state: ['1', '2'], ...exact };
  }
  for (const { place } of inOrder(split).filter(({ percent }) => percent === 0)) {
    rows[place] = { srv_admin_state: ADMIN_STATES.maint, srv_uweight: ['0'] };
  }
  return rows;
}

async function read(settings: HaproxyConfig, io: Io, since?: Reading): Promise<Reading> {
  const found = await Promise.all(settings.sockets.map((socket) => look(socket, settings.backend, io)));
  const answered = found.filter((one) => 'location' in one);
  const [first, ...others] = found.filter((one) => 'error' in one);
  if (first !== undefined && answered.length === 0) throw first.error;
  const unread = first === undefined ? [] : [first, ...others];
  const unseen = unread.map(({ error }): Unseen => ({ why: error.message.replace(/\.$/, ''), cure: error.hint }));
  const reading = readingOf(answered, unseen, settings.balance, since);
  const files = stateFiles(settings.serverStateFile);
  const unusable = reading.unusable ?? unsavable(files, io);
  // What is written changes only with a reload: it is looked at before a rollout, not at every poll.
  const written = since === undefined ? await Promise.all(answered.map((one) => filesBehind(one, settings.backend, io))) : [];
  const forgetful = files.length === 0 ? UNSAVED : written.map(({ fleeting }) => fleeting).find((one) => one !== undefined);
  const doubts = [...new Set(written.flatMap((one) => one.doubts))];
  const rule = written.map((one) => one.rule).find((one) => one !== undefined);
  return {
    ...(rule === undefined ? {} : { sticky: rule }),
    ...reading,
    ...(unusable === undefined ? {} : { unusable }),
    ...(forgetful === undefined ? {} : { forgetful }),
    ...(doubts.length === 0 ? {} : { doubts }),
  };
}

const UNSAVED: Unusable = {
  why: 'without serverStateFile, a reload restores the weights in haproxy.cfg',
  cure: 'Set serverStateFile in the config, and in haproxy.cfg `server-state-file` (global) and `load-server-state-from-file global` (defaults).',
};

/** What stands in the files of one HAProxy; unknown where its process is not on this host. Never rejects. */
async function filesBehind({ socket, location }: Answered, backend: string, io: Io): Promise<Written> {
  const info = socket.startsWith('/') ? await ask(socket, 'show info', io).catch(() => '') : '';
  const pid = /^Pid: (\d{1,9})$/m.exec(info)?.[1];
  const names = location.servers.map(({ name }) => name);
  return writtenOf(names, backend, pid === undefined ? null : Number(pid), io);
}

/** What one HAProxy answers, or why it does not. One that is dead must not hide what the others show. Never rejects. */
async function look(socket: string, backend: string, io: Io): Promise<Answered | { readonly error: KvdeployError }> {
  try {
    const answer = await ask(socket, readingLine(backend), io);
    if (isMaster(answer)) throw unreachable(socket, 'it is the master socket, which knows no backend', undefined, masterCure());
    let location = parseLocation(answer, backend);
    const byNumber = typeof location === 'string' ? statisticsLine(answer) : undefined;
    if (byNumber !== undefined) {
      location = parseLocation(withStatistics(answer, await ask(socket, byNumber, io)), backend);
    }
    if (typeof location !== 'string') return { socket, location };
    const level = /^(operator|user)$/m.exec(answer)?.[1];
    if (level === undefined) throw unreachable(socket, location, undefined);
    throw unreachable(socket, `it has level ${level}, which may not look`, undefined, adminCure(socket));
  } catch (error) {
    if (error instanceof KvdeployError) return { error };
    throw error;
  }
}

/** By every HAProxy that answers: one that is dead must not keep the others from a rollback. Rejects where none answers. */
async function identify(settings: HaproxyConfig, io: Io): Promise<readonly string[]> {
  const asked = await Promise.allSettled(settings.sockets.map((socket) => ask(socket, 'show info', io)));
  const answers = asked.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
  const [dead] = asked.filter((one) => one.status === 'rejected');
  if (answers.length === 0 && dead !== undefined) throw dead.reason;
  const said = answers.map((answer) => new RegExp(`^${settings.identify}: *(.*)$`, 'im').exec(answer)?.[1] ?? '');
  return [...new Set(said.flatMap(wordsOf))];
}

function questions({ sockets, identify: field }: HaproxyConfig): readonly TargetQuestion[] {
  return sockets.map((address) => {
    const level = { command: 'show cli level', answer: 'admin' };
    return { kind: 'socket', address, command: 'show info', field, level, timeoutMs: TIMEOUT_MS, at: address };
  });
}

/** Next to each state file; without one, next to each socket of this host. One HAProxy has many backends, so each has its own. */
function marks({ sockets, serverStateFile, backend }: HaproxyConfig): readonly string[] {
  const files = stateFiles(serverStateFile);
  const kept = files.length > 0 ? files : sockets.filter((socket) => socket.startsWith('/'));
  return kept.map((path) => markFile(`${normalize(path)}.${backend}`));
}

async function ask(socket: string, line: string, io: Io): Promise<string> {
  try {
    return await io.socket(socket, line, TIMEOUT_MS, () => undefined);
  } catch (cause) {
    throw unreachable(socket, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unreachable(socket: string, why: string, cause: unknown, cure?: string): KvdeployError {
  return new KvdeployError('UNREACHABLE', {
    message: `HAProxy at ${socket} cannot be queried: ${why}.`,
    hint:
      cure ??
      `Check that HAProxy is running, has this backend, and allows this user to connect: echo "show info" | socat stdio ${socket}`,
    cause,
  });
}

/** The shares above 0 with their weights, the largest first. */
function weighted(split: Split): { readonly share: Share; readonly weight: number }[] {
  const taking = inOrder(split).filter(({ percent }) => percent > 0);
  const weights = weightsFor(taking.map(({ percent }) => percent));
  return taking.map((share, index) => ({ share, weight: weights[index] ?? 0 }));
}

function inOrder(split: Split): Share[] {
  return [...split].sort((a, b) => b.percent - a.percent || (a.place < b.place ? -1 : 1));
}

/** Groups of commands that each fit into one line. */
function joinable(commands: readonly string[]): string[][] {
  const lines: string[][] = [[]];
  for (const command of commands) {
    const last = lines.at(-1) ?? [];
    if (last.join('; ').length + command.length > LINE_BYTES) lines.push([command]);
    else last.push(command);
  }
  return lines;
}

function stateFiles(serverStateFile: string | readonly string[] | undefined): readonly string[] {
  if (serverStateFile === undefined) return [];
  return typeof serverStateFile === 'string' ? [serverStateFile] : serverStateFile;
}

function stateFilesFit(sockets: readonly string[], serverStateFile: string | readonly string[] | undefined): boolean {
  const files = stateFiles(serverStateFile);
  return files.length === 0 || (files.length === sockets.length && new Set(files).size === files.length);
}
