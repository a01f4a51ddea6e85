/** Changes: absolute, repeatable instructions to the outside, how they are read back, and the port that makes them. Types only. */
import type { Fs } from '../durable/fs.ts';
import type { LogCounts } from '../nginx/nginx-log.ts';
import type { Workers } from '../nginx/nginx-workers.ts';

/** What every change and check may say: the location (one router process) that it is for. */
interface Located {
  readonly at?: string;
}

/** Writes `content` to `path` so that after success a crash or power cut cannot lose it. */
export interface WriteFile extends Located {
  readonly kind: 'write-file';
  readonly path: string;
  readonly content: string;
}

/** A header with a secret: its value is `scheme`, a space and the secret, or without a scheme the secret alone. Named, never held. */
export interface SecretHeader {
  readonly name: string;
  readonly header: string;
  readonly scheme?: string;
}

/** How an HTTP server is reached and asked, beyond its URL. */
interface Way {
  /** A PEM file on this machine: the only CA that is believed. */
  readonly ca?: string;
  /** The name that TLS sends and verifies instead of the URL's host. */
  readonly serverName?: string;
  readonly secret?: SecretHeader;
}

/** Further ways, for what is only asked and not changed. */
interface AskedWay extends Way {
  /** TLS verifies no one: what is heard may be anyone's. */
  readonly insecure?: true;
  /** The Host header instead of the URL's host. */
  readonly host?: string;
  /** The socket to connect to instead of the URL's host. */
  readonly unixSocket?: string;
  /** The version of the PROXY header that is sent first. */
  readonly proxyProtocol?: 1 | 2;
}

/** Sends one HTTP request; any status not in `expect` is a failure. */
export interface Request extends Located, Way {
  readonly kind: 'request';
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Short for a secret in `authorization` with the scheme `Bearer`. */
  readonly bearerSecret?: string;
  /** PEM files on this machine: the client's certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
  readonly expect: readonly number[];
  readonly timeoutMs: number;
}

/** Runs one program without a shell; any exit code but 0 is a failure. `stdin` is all of its standard input. */
export interface Run extends Located {
  readonly kind: 'run';
  readonly argv: readonly string[];
  readonly stdin?: string;
  readonly timeoutMs: number;
}

/**
 * Sends commands, in one line joined by `;`, on a UNIX socket (a path) or TCP socket (`host:port`). With `saveTo` the
 * answer is written durably to that file; without it, any text in the answer is a refusal by the other side.
 */
export interface Socket extends Located {
  readonly kind: 'socket';
  readonly address: string;
  readonly commands: readonly string[];
  readonly saveTo?: string;
  readonly timeoutMs: number;
}

/** A closed union: a new kind is a design decision, because break-glass must know it. */
export type Change = WriteFile | Request | Run | Socket;

/** A file must have exactly this content. */
export interface FileCheck extends Located {
  readonly kind: 'file';
  readonly path: string;
  readonly content: string;
}

/** Where an HTTP server says something: in a header, or at a path of keys in the JSON of its body. */
export interface Asked extends Located, AskedWay {
  readonly kind: 'http';
  readonly url: string;
  readonly header?: string;
  readonly json?: readonly string[];
  readonly timeoutMs: number;
}

/**
 * An HTTP answer must say `equals`: `times` answers in a row (default: 1), each on a connection of its own, the last one at least
 * `settleMs` after the first. `timeoutMs` is for all answers together, apart from `settleMs`.
 */
export interface HttpCheck extends Asked {
  readonly equals: string;
  readonly times?: number;
  readonly settleMs?: number;
}

/** What a program says at a path of keys in the JSON that it prints. */
export interface Told extends Located {
  readonly kind: 'run';
  readonly argv: readonly string[];
  readonly stdin?: string;
  /** Without it, all that it prints is what it says. */
  readonly json?: readonly string[];
  readonly timeoutMs: number;
}

/** A program that only looks must say `equals`. */
export interface RunCheck extends Told {
  readonly json: readonly string[];
  readonly equals: string;
}

/** A whole number of which at least one of these bits is set, or none; what its other bits mean does not matter. */
export type Bits = { readonly any: number } | { readonly none: number };

/** What each named column may be: one of these texts, or a number with these bits. */
export type Columns = Readonly<Record<string, readonly string[] | Bits>>;

/** What a row may be instead, in which it gets nothing: `is` says it for people (`down`). */
export interface Idle {
  readonly is: string;
  readonly columns: Columns;
}

/**
 * Rows that are named together, since the same is expected of each. With `idle`, a row may also be one of these, or be missing: it gets
 * nothing then. `least`: how many rows must be as `columns` says all the same; what is idle in such a group is named.
 */
export interface RowGroup {
  readonly keys: readonly string[];
  readonly columns: Columns;
  readonly idle?: readonly Idle[];
  readonly least?: number;
}

/**
 * The answer to a socket command is a table: lines of cells, the header line naming the columns. Each row in `rows`
 * (by its key) and `groups` must be as `Columns` says in each named column; a named row that is missing is a failure, but for groups
 * with `idle`. A row that is not named there must match at least one of `others` in the same way (in maintenance, or at weight 0): if it
 * matches none, it is an unknown member that still serves.
 */
export interface TableCheck extends Located {
  readonly kind: 'table';
  readonly address: string;
  readonly command: string;
  readonly separator: ' ' | ',';
  /** Column that must equal a text for a row to count at all, e.g. the backend's name. */
  readonly where: Readonly<Record<string, string>>;
  readonly key: string;
  readonly rows: Readonly<Record<string, Columns>>;
  /** More rows, where many are to be alike. */
  readonly groups?: readonly RowGroup[];
  readonly others: readonly Columns[];
  readonly timeoutMs: number;
}

/** How changes are read back without any router code. */
export type Check = FileCheck | HttpCheck | RunCheck | TableCheck;

/** Rows of groups that say how many must serve. `out`: those that get nothing now, each with what it is. */
export interface Rows {
  readonly serving: readonly string[];
  readonly out: ReadonlyMap<string, string>;
}

/** `unknown`: the other side could not be queried, or its answer does not say. This never counts as success. */
export type Checked =
  | { readonly ok: true; readonly rows?: Rows }
  | { readonly ok: false; readonly why: string; readonly rows?: Rows }
  | { readonly unknown: string };

/** The answer to a socket command has a line `field: words`; the words name the environment (`gateway environment=production`). */
export interface SocketQuestion {
  readonly kind: 'socket';
  readonly address: string;
  readonly command: string;
  readonly field: string;
  /** What this socket must allow: the answer to a second command that a change needs. */
  readonly level?: { readonly command: string; readonly answer: string };
  readonly timeoutMs: number;
  readonly at?: string;
}

/** An HTTP answer names exactly the environment at a path of keys in its JSON body. */
export interface HttpQuestion {
  readonly kind: 'http';
  readonly url: string;
  readonly json: readonly string[];
  readonly timeoutMs: number;
  readonly at?: string;
}

/** A program names exactly the environment at a path of keys in the JSON that it prints. */
export interface RunQuestion {
  readonly kind: 'run';
  readonly argv: readonly string[];
  readonly stdin?: string;
  readonly json: readonly string[];
  readonly timeoutMs: number;
  readonly at?: string;
}

export type TargetQuestion = SocketQuestion | HttpQuestion | RunQuestion;

/** `unsaid`: no answer, or one that names no environment. This is neither a yes nor a no. */
export type Environment = { readonly kind: 'own' } | { readonly kind: 'other' | 'unsaid'; readonly why: string };

/**
 * Called after connecting, immediately before the first byte that can change anything is sent. Returns the reason against the
 * change (a hold, a lost claim), or undefined; if there is one, the connection is closed unused.
 */
export type Allowed = () => string | undefined;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One HTTP request. `mostBytes`: the maximum length of the answer (default: 1 MiB). */
export interface Asking extends Pick<Request, 'method' | 'url' | 'headers' | 'body' | 'timeoutMs'> {
  readonly mostBytes?: number;
  /** The address to connect to instead of the URL's host, which is still the name that TLS verifies. */
  readonly connectTo?: string;
  /** The socket to connect to instead of any address. */
  readonly unixSocket?: string;
  /** The version of the PROXY header that is sent first, before TLS. */
  readonly proxyProtocol?: 1 | 2;
  /** The Host header instead of the URL's host. */
  readonly host?: string;
  /** Whom TLS believes and what it shows, in place of what the machine has. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly insecure?: boolean;
  };
}

export interface RunAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The small port to the outside that `make` needs. Each call has a deadline and bounded output, and calls `allowed` between
 * connecting and sending; a refusal rejects with NotAllowed. Implemented in `base/changes/outside.ts`.
 */
export interface Outside {
  readonly fs: Fs;
  http(request: Asking, allowed: Allowed): Promise<HttpAnswer>;
  socket(address: string, line: string, timeoutMs: number, allowed: Allowed): Promise<string>;
  /** `stdin` is all of the program's standard input; without it, there is none. */
  run(argv: readonly string[], timeoutMs: number, allowed: Allowed, stdin?: string): Promise<RunAnswer>;
  secret(name: string): string | undefined;
  /** The IP addresses of a host name. Rejects if there are none, or no answer within `timeoutMs`. */
  resolve(host: string, timeoutMs: number): Promise<readonly string[]>;
  /** Monotonic milliseconds. */
  monotonic(): number;
  sleep(ms: number): Promise<void>;
  /** The other host at which this location is; undefined where the location is here. Absent where every location is. */
  elsewhere?(at: string): Elsewhere | undefined;
}

/** What is to be done there. What only looks is bounded by the machine file of that host as a change is. */
export type Deed =
  | { readonly do: 'hello' }
  | { readonly do: 'make' | 'may'; readonly change: Change }
  | { readonly do: 'check'; readonly check: Check }
  | { readonly do: 'question'; readonly question: TargetQuestion; readonly own: string; readonly others: readonly string[] }
  | { readonly do: 'hear'; readonly asked: Asked }
  | { readonly do: 'socket'; readonly address: string; readonly line: string; readonly timeoutMs: number }
  | { readonly do: 'run'; readonly argv: readonly string[]; readonly stdin?: string; readonly timeoutMs: number }
  | { readonly do: 'read'; readonly path: string }
  | { readonly do: 'log'; readonly path: string; readonly members: Readonly<Record<string, readonly string[]>> }
  | { readonly do: 'workers'; readonly pidFile: string; readonly answered: readonly number[] };

/** What comes back for each deed that was done. */
export interface Done {
  /** The version of break-glass.mjs there. */
  readonly hello: { readonly version: string };
  readonly make: true;
  /** Nothing was done: it would be allowed. */
  readonly may: true;
  readonly check: Checked;
  readonly question: Environment;
  /** Without the secret that went along, which that host knows. */
  readonly hear: HttpAnswer;
  readonly socket: string;
  readonly run: RunAnswer;
  readonly read: string;
  readonly log: { readonly counts: Readonly<Record<string, LogCounts>>; readonly problem?: string };
  readonly workers: Workers;
}

/** Another host, which does the same by the same code, within its own machine file. */
export interface Elsewhere {
  /**
   * Resolves with what was done there. Rejects with the reason where it was not (a hold on that host, too), or where that is unknown; with NotAllowed
   * where `allowed` stops it, which is called right before the order is sent.
   */
  ask<D extends Deed>(deed: D, allowed?: Allowed): Promise<Done[D['do']]>;
}

/** A change that `allowed` stopped: nothing was sent. */
export class NotAllowed extends Error {}

/** Where a change, check or question is to be done, if that is another host. */
export function elsewhereFor({ at }: { readonly at?: string }, outside: Pick<Outside, 'elsewhere'>): Elsewhere | undefined {
  return at === undefined ? undefined : outside.elsewhere?.(at);
}

/** Throws NotAllowed if `allowed` returns a reason. */
export function permit(allowed: Allowed): void {
  const reason = allowed();
  if (reason !== undefined) throw new NotAllowed(reason);
}
