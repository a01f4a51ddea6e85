/** Changes: absolute, repeatable instructions to the outside, how they are read back, and the port that makes them. Types only. */
import type { Fs } from '../durable/fs.ts';

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

/** Sends one HTTP request; any status not in `expect` is a failure. Secrets are named, never held. */
export interface Request extends Located {
  readonly kind: 'request';
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bearerSecret?: string;
  readonly expect: readonly number[];
  readonly timeoutMs: number;
}

/** Runs one program without a shell; any exit code but 0 is a failure. */
export interface Run extends Located {
  readonly kind: 'run';
  readonly argv: readonly string[];
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

/** An HTTP answer must have `equals` in a header, or at a path of keys in its JSON body. */
export interface HttpCheck extends Located {
  readonly kind: 'http';
  readonly url: string;
  readonly header?: string;
  readonly json?: readonly string[];
  readonly equals: string;
  readonly timeoutMs: number;
}

/** A whole number of which at least one of these bits is set, or none; what its other bits mean does not matter. */
export type Bits = { readonly any: number } | { readonly none: number };

/** What each named column may be: one of these texts, or a number with these bits. */
export type Columns = Readonly<Record<string, readonly string[] | Bits>>;

/**
 * The answer to a socket command is a table: lines of cells, the header line naming the columns. Each row in `rows`
 * (by its key) must be as `Columns` says in each named column; a named row that is missing is a failure. A row
 * that is not named there must match at least one of `others` in the same way (in maintenance, or at weight 0): if it
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
  readonly others: readonly Columns[];
  readonly timeoutMs: number;
}

/** How changes are read back without any router code. */
export type Check = FileCheck | HttpCheck | TableCheck;

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
export interface Asking extends Omit<Request, 'kind' | 'expect' | 'bearerSecret' | 'at'> {
  readonly mostBytes?: number;
  /** The address to connect to instead of the URL's host, which is still the name that TLS verifies. */
  readonly connectTo?: string;
  /** Whom TLS believes and what it shows, in place of what the machine has. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly servername?: string };
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
  run(argv: readonly string[], timeoutMs: number, allowed: Allowed): Promise<RunAnswer>;
  secret(name: string): string | undefined;
  /** The IP addresses of a host name. Rejects if there are none, or no answer within `timeoutMs`. */
  resolve(host: string, timeoutMs: number): Promise<readonly string[]>;
}

/** A change that `allowed` stopped: nothing was sent. */
export class NotAllowed extends Error {}

/** Throws NotAllowed if `allowed` returns a reason. */
export function permit(allowed: Allowed): void {
  const reason = allowed();
  if (reason !== undefined) throw new NotAllowed(reason);
}
