/** The answer of one HAProxy: its servers, their states and counters, as data. Must not guess missing values. */
import { cellsOf } from '../../base/changes/checks.ts';

/**
 * `show cli level` shows the permissions, `show servers state` the weights, `show stat` the counters: of this backend only, however many
 * servers HAProxy has elsewhere. Without `quit` a master socket would never end its answer.
 */
export function readingLine(backend: string): string {
  return `show cli level;show servers state ${backend};show stat ${backend} 6 -1;quit`;
}

/** A frontend may have the same name, and then `show stat` by name shows the frontend. A backend's number is its own. */
export function statisticsLine(answer: string): string | undefined {
  const id = table(answer, '# be_id ', (line) => line.split(' '))[0]?.get('be_id');
  return id !== undefined && /^\d{1,9}$/.test(id) ? `show stat ${id} 6 -1` : undefined;
}

/** The answer with these statistics instead of its own. */
export function withStatistics(answer: string, statistics: string): string {
  return `${answer.split('# pxname,')[0]}\n${statistics}`;
}

/** What HAProxy's master socket answers: it knows its processes, and no backend. */
export function isMaster(answer: string): boolean {
  return /^#<PID> |^ *show proc\b/m.test(answer);
}

/** One server line of the backend. */
export interface Server {
  readonly name: string;
  /** In `maint` and `drain` it gets no new traffic. */
  readonly state: 'ready' | 'drain' | 'maint';
  /** False if HAProxy's health check took it down; true in maintenance, where HAProxy does not check. */
  readonly up: boolean;
  readonly weight: number;
  /** The weight in haproxy.cfg. */
  readonly configuredWeight: number;
  readonly address: string | null;
  /** How often it was chosen for a request; in TCP mode for a connection. */
  readonly chosen: number;
  /** Requests by how they ended: `1xx` to `5xx`, and `none`. Null in TCP mode. */
  readonly answers: Readonly<Record<string, number>> | null;
  /** How many answers it gave, and how long the newest took to their first byte on average, milliseconds; null where that is unknown. */
  readonly times: { readonly answers: number; readonly averageMs: number } | null;
  /** How often its health check took it down; null without a check, and while it is not ready. */
  readonly downs: number | null;
  readonly backup: boolean;
  /** `DOWN`, `UP 1/2`, as HAProxy reports it. */
  readonly status: string;
  /** Percent of its weight during slow start; otherwise null. */
  readonly slowStartPercent: number | null;
  /** HAProxy reaches it on a UNIX socket, whose path it does not report. */
  readonly isUnix: boolean;
  /** HAProxy speaks TLS with it. */
  readonly usesTls: boolean;
  /** An agent of it reports to HAProxy, and may set its weight. */
  readonly hasAgent: boolean;
}

/** The state of one HAProxy process. */
export interface Location {
  readonly level: string;
  /** Its balance algorithm, as `show stat` names it; 2.6 reports `unknown` for `random`. */
  readonly algorithm: string;
  readonly mode: string;
  /** The cookie by which clients stay with a server; null without one. */
  readonly cookie: string | null;
  readonly servers: readonly Server[];
  /** Names of slots that wait for an address, and get nothing. */
  readonly spares: readonly string[];
  /** Those of them that took requests until their name did not resolve any more: no one put them into maintenance. Down, as any other. */
  readonly lost: readonly Server[];
}

// Bits of srv_admin_state (HAProxy, include/haproxy/server-t.h). Others say nothing about traffic: 4 means that haproxy.cfg has `disabled`,
// 64 that the server's name was set at run time.
const MAINT_BITS = 1 | 2 | 32;

/** In maintenance by name resolution alone (SRV_ADMF_RMAINT). */
const UNRESOLVED_BIT = 32;

const DRAIN_BITS = 8 | 16;

/** What `srv_admin_state` must be: in maintenance, out of rotation in either way, or ready. */
export const ADMIN_STATES = {
  maint: { any: MAINT_BITS },
  out: { any: MAINT_BITS | DRAIN_BITS },
  ready: { none: MAINT_BITS | DRAIN_BITS },
} as const;

/** A bit of srv_agent_state (HAProxy, include/haproxy/check-t.h, CHK_ST_ENABLED). */
const AGENT_ENABLED = 4;

/** One line of a table by the names of its columns. */
interface Row {
  get(column: string): string | undefined;
}

/** Parses the answer to `readingLine`; returns a text with the reason if it cannot be parsed. */
export function parseLocation(answer: string, backend: string): Location | string {
  if (/^Can't find backend/m.test(answer)) return `it has no backend "${backend}"`;
  const level = /^(admin|operator|user)$/m.exec(answer)?.[1] ?? 'unknown';
  const states = table(answer, '# be_id ', (line) => line.split(' '));
  const stats = new Map(
    table(answer, '# pxname,', commaCells)
      .filter((row) => row.get('pxname') === backend)
      .map((row) => [row.get('svname') ?? '', row]),
  );
  const whole = stats.get('BACKEND');
  if (whole === undefined) return 'its answer has no statistics for the backend';
  const servers = new Map<string, Server>();
  const spares: string[] = [];
  const lost: Server[] = [];
  for (const row of states.filter((state) => state.get('be_name') === backend)) {
    const name = row.get('srv_name') ?? '';
    const stat = stats.get(name);
    if (isSpare(row, stat)) {
      spares.push(name);
      const server = isUnresolved(row) ? readServer(row, stat, whole) : undefined;
      if (server !== undefined && server.chosen > 0) lost.push({ ...server, state: 'ready', up: false, downs: null });
      continue;
    }
    const server = readServer(row, stat, whole);
    if (server === undefined) return `its answer for server "${name}" is incomplete`;
    if (servers.has(name)) return `its answer has server "${name}" twice`;
    servers.set(name, server);
  }
  if (servers.size === 0 && lost.length === 0)
    return `backend "${backend}" has no servers that have an address${spares.length === 0 ? '' : ', and no name of them resolves'}`;
  return {
    level,
    algorithm: whole.get('algo') ?? '',
    mode: whole.get('mode') ?? '',
    cookie: whole.get('cookie') || null,
    servers: [...servers.values()],
    spares,
    lost,
  };
}

/**
 * A slot that waits for an address, as `server-template` and DNS keep them: it is in maintenance, and HAProxy cannot send anything there. A server
 * on a UNIX socket has no address either, and is none.
 */
function isSpare(state: Row, stat: Row | undefined): boolean {
  const admin = wholeNumber(state.get('srv_admin_state'));
  if (admin === undefined || administrative(admin) !== 'maint' || isUnix(stat)) return false;
  return ['-', '0.0.0.0', '::'].includes(state.get('srv_addr') ?? '-');
}

/** Nothing but name resolution keeps it out. */
function isUnresolved(state: Row): boolean {
  return ((wholeNumber(state.get('srv_admin_state')) ?? 0) & (MAINT_BITS | DRAIN_BITS)) === UNRESOLVED_BIT;
}

function isUnix(stat: Row | undefined): boolean {
  return stat?.get('addr') === 'unix';
}

function readServer(state: Row, stat: Row | undefined, backend: Row): Server | undefined {
  const columns = ['srv_admin_state', 'srv_op_state', 'srv_uweight', 'srv_iweight', 'srv_agent_state'];
  const [admin, operational, weight, configuredWeight, agent] = columns.map((column) => wholeNumber(state.get(column)));
  const chosen = wholeNumber(stat?.get('stot'));
  const name = state.get('srv_name');
  if (name === undefined || stat === undefined || chosen === undefined) return undefined;
  if (admin === undefined || operational === undefined || weight === undefined || configuredWeight === undefined)
    return undefined;
  if (agent === undefined) return undefined;
  const at = administrative(admin);
  return {
    name,
    state: at,
    // 1 is starting, 2 running; 0 is stopped, 3 stopping (HAProxy, enum srv_state).
    up: at === 'maint' || operational === 1 || operational === 2,
    weight,
    configuredWeight,
    address: address(state),
    chosen,
    answers: answersOf(stat, backend),
    times: timesOf(stat),
    // Measured with HAProxy 2.6.12: entering maintenance also counts as going down; leaving it does not.
    downs: at === 'ready' ? (wholeNumber(stat.get('chkdown')) ?? null) : null,
    backup: stat.get('bck') === '1',
    status: stat.get('status') ?? '',
    slowStartPercent: wholeNumber(stat.get('throttle')) ?? null,
    isUnix: isUnix(stat),
    usesTls: state.get('srv_use_ssl') === '1',
    hasAgent: (agent & AGENT_ENABLED) !== 0,
  };
}

/**
 * HAProxy counts 1xx to 5xx responses of the server; `hrsp_other` counts responses that are not HTTP. For failed connections and
 * incomplete responses the client gets HAProxy's own 502 to 504, which it counts at the backend; at the server they are `econ` and
 * `eresp`. What a retry sends to another server (`option redispatch`) is `wredis` at the server that failed, although the client gets a
 * good answer. `wretr` is left out: it counts attempts, some of them twice, of which most succeed. Every failure counts as a request of its
 * own, so failures are never more than requests. Measured with HAProxy 2.6.12: a response that breaks off after its headers
 * counts as 2xx and as `eresp`, a connection reset before a response twice as `eresp`, and one that is redispatched as `eresp` and
 * `wredis`. Errors are never undercounted. A server counts every 100 and 103 as 1xx, its backend only final answers (101).
 */
function answersOf(stat: Row, backend: Row): Server['answers'] {
  const columns = { '1xx': 'hrsp_1xx', '2xx': 'hrsp_2xx', '3xx': 'hrsp_3xx', '4xx': 'hrsp_4xx', '5xx': 'hrsp_5xx' };
  const counts = Object.entries(columns).map(([name, column]) => [name, wholeNumber(stat.get(column))] as const);
  const silent = ['hrsp_other', 'econ', 'eresp', 'wredis'].map((column) => wholeNumber(stat.get(column)));
  if (counts.some(([, count]) => count === undefined) || silent.includes(undefined)) return null;
  const none = silent.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  const final = Math.min(wholeNumber(stat.get('hrsp_1xx')) ?? 0, wholeNumber(backend.get('hrsp_1xx')) ?? 0);
  return { ...Object.fromEntries(counts.map(([name, count]) => [name, count ?? 0])), '1xx': final, none };
}

/** `rtime` is the time to the first byte, averaged over the newest answers of HTTP. `ttime` would count slow clients too. */
function timesOf(stat: Row): Server['times'] {
  const [answers, averageMs] = [wholeNumber(stat.get('req_tot')), wholeNumber(stat.get('rtime'))];
  return answers === undefined || averageMs === undefined ? null : { answers, averageMs };
}

function administrative(bits: number): Server['state'] {
  if ((bits & MAINT_BITS) !== 0) return 'maint';
  return (bits & DRAIN_BITS) !== 0 ? 'drain' : 'ready';
}

function address(state: Row): string | null {
  const host = state.get('srv_addr') ?? '';
  const port = state.get('srv_port') ?? '0';
  if (port === '0' || !/^[0-9a-f.:]*[0-9a-f]$/i.test(host)) return null;
  const scheme = state.get('srv_use_ssl') === '1' ? 'https' : 'http';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The lines after the one that starts with `opening`, up to an empty one. */
function table(text: string, opening: string, cells: (line: string) => string[]): Row[] {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(opening));
  if (at === -1) return [];
  const columns = new Map(cells((lines[at] ?? '').slice(2)).map((column, index) => [column, index]));
  const rows: Row[] = [];
  for (const line of lines.slice(at + 1)) {
    if (line === '') break;
    const values = cells(line);
    rows.push({
      get: (column) => {
        const index = columns.get(column);
        return index === undefined ? undefined : (values[index] ?? '');
      },
    });
  }
  return rows;
}

/** Thousands of lines with some hundred cells each: quotes are looked for only where there are any. */
function commaCells(line: string): string[] {
  return line.includes('"') ? cellsOf(line, ',') : line.split(',');
}
