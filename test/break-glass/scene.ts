/** What break-glass needs around it: a state on disk, a routes file, builds that answer for themselves, and the bundled program. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import {
  type AddressInfo,
  createServer as createLineServer,
  type Server as LineServer,
  type Socket as NetSocket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Change, Check } from '../../src/base/changes/change.ts';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { openStateDir } from '../../src/base/durable/state-dir.ts';
import { pointerDir, writePointer } from '../../src/base/pointer/pointer.ts';
import type { Pointer, Restore } from '../../src/base/pointer/pointer-format.ts';

export const SCOPE = { tenant: 'acme', environment: 'production', service: 'kv-gateway' } as const;
export const GREEN = '0b9f1c2d-1111-4111-8111-000000000011';
export const BLUE = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
export const REASON = 'login is down, gateway answers 401';

export function freshFolder(): string {
  return fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'kvdeploy-bg-')));
}

export function restoreOf(guid: string, over: Partial<Restore> & { ref?: string } = {}): Restore {
  const { ref = 'green', ...rest } = over;
  return {
    build: { guid, digest: `sha256:${'a'.repeat(64)}`, version: '2026.11.20-1', sequence: 40, ref },
    knownGoodSince: '2026-11-20T09:00:00Z',
    changes: [{ kind: 'run', argv: ['true'], timeoutMs: 2000 }],
    checks: [],
    identity: [],
    ...rest,
  };
}

export function pointerOf(over: Partial<Pointer> = {}): Omit<Pointer, 'generation'> {
  return {
    formatVersion: 2,
    scope: SCOPE,
    writtenAt: '2026-11-21T10:00:00Z',
    why: 'promoted',
    rollout: 'r-1',
    ledgerHead: null,
    knownGood: restoreOf(GREEN),
    earlier: [],
    bad: [],
    idleTimeoutMs: 100,
    target: { questions: [], others: [] },
    addresses: {},
    ...over,
  };
}

/** Makes the folders of a scope below `stateDir` and writes pointers there, oldest first. Returns the pointer's folder. */
export function stateWith(
  stateDir: string,
  pointers: readonly Omit<Pointer, 'generation'>[],
  scope: Pointer['scope'] = SCOPE,
): string {
  const { tenant, environment, service } = scope;
  const dir = openStateDir(stateDir, [tenant, environment, service, 'pointer'], fs, OWNER_ONLY);
  for (const pointer of pointers) writePointer(dir, pointer, fs, OWNER_ONLY);
  return pointerDir(stateDir, scope);
}

/** The changes and checks of a router that follows one file. */
export function routesTo(path: string, place: string): { changes: Change[]; checks: Check[] } {
  const content = `{"serve":"${place}"}\n`;
  return { changes: [{ kind: 'write-file', path, content }], checks: [{ kind: 'file', path, content }] };
}

export interface Answering {
  readonly url: string;
  readonly requests: { method: string; url: string; headers: Record<string, unknown>; body: string }[];
  close(): Promise<void>;
}

type Answer = { status?: number; headers?: Record<string, string>; body?: string } | 'silence';

export async function httpServer(answer: (path: string) => Answer): Promise<Answering> {
  const requests: Answering['requests'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      const said = answer(request.url ?? '');
      if (said === 'silence') return;
      response.writeHead(said.status ?? 200, said.headers).end(said.body ?? '');
    });
  });
  await listening(server, 0);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, close: () => closing(server) };
}

export interface Talking {
  readonly address: string;
  readonly lines: string[];
  /** Connections so far, also those that never said anything. */
  connections(): number;
  close(): Promise<void>;
}

/** A socket that answers one line per connection, as HAProxy's runtime API does. */
export async function lineServer(address: string | 0, answer: (line: string) => string | null): Promise<Talking> {
  const lines: string[] = [];
  let connections = 0;
  const open = new Set<NetSocket>();
  const server = createLineServer((socket) => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      lines.push(chunk.toString().trimEnd());
      const said = answer(chunk.toString().trimEnd());
      if (said !== null) socket.end(said);
    });
  });
  await listening(server, address);
  const bound = server.address();
  const where = typeof bound === 'string' ? bound : `127.0.0.1:${(bound as AddressInfo).port}`;
  return { address: where, lines, connections: () => connections, close: () => closing(server, open) };
}

function listening(server: Server | LineServer, where: string | 0): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    if (typeof where === 'string') server.listen(where, resolve);
    else server.listen(where, '127.0.0.1', resolve);
  });
}

function closing(server: Server | LineServer, open: ReadonlySet<NetSocket> = new Set()): Promise<void> {
  for (const socket of open) socket.destroy();
  if ('closeAllConnections' in server) server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Bundles one source file as it is shipped; returns the path of the .mjs. */
export async function bundle(entry: string, folder: string): Promise<string> {
  const outfile = join(folder, 'break-glass.mjs');
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minify: true,
    logLevel: 'error',
  });
  return outfile;
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly stdin?: 'closed' | string;
  readonly uid?: number;
  /** Standard input is written once standard output holds this; at once when left out. */
  readonly after?: string;
}

/** Runs a program to its end with a bare environment. */
export function runToEnd(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [program = '', ...args] = argv;
  const child: ChildProcess = spawn(program, args, {
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...options.env },
    cwd: options.cwd,
    uid: options.uid,
    gid: options.uid,
    stdio: [options.stdin === 'closed' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const type = () => {
    if (stdout.includes(options.after ?? '') && child.stdin?.writableEnded === false) child.stdin.end(options.stdin ?? '');
  };
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
    type();
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin?.on('error', () => {});
  type();
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Waits until `condition` holds; fails after five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not come true within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
