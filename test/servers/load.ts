/** Real HTTP load on a URL, counted by the build that answered. Every request has a deadline and none is repeated. */
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface LoadOptions {
  readonly count: number;
  /** As fast as sixteen connections carry it when left out. */
  readonly perSecond?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** False opens a connection for each request. */
  readonly keepAlive?: boolean;
  readonly signal?: AbortSignal;
}

export interface LoadStats {
  readonly total: number;
  /** Answers below 400. */
  readonly ok: number;
  /** Answers from 400 on. */
  readonly failed: number;
  /** No answer: reset, refused, or too late. */
  readonly lost: number;
  /** Answers by the `x-build-guid` header; `none` where there is none. */
  readonly byBuild: Readonly<Record<string, number>>;
}

/** Sends `count` requests and resolves when each was answered or lost. */
export async function load(url: string, options: LoadOptions): Promise<LoadStats> {
  const agent = new http.Agent({
    keepAlive: options.keepAlive ?? true,
    maxSockets: 16,
  });
  const stats = {
    total: 0,
    ok: 0,
    failed: 0,
    lost: 0,
    byBuild: {} as Record<string, number>,
  };
  const one = async () => {
    const answer = await get(url, agent, options.headers ?? {});
    stats.total += 1;
    if (answer === undefined) stats.lost += 1;
    else {
      if (answer.status < 400) stats.ok += 1;
      else stats.failed += 1;
      stats.byBuild[answer.build] = (stats.byBuild[answer.build] ?? 0) + 1;
    }
  };
  const open: Promise<void>[] = [];
  const start = performance.now();
  for (let sent = 0; sent < options.count && options.signal?.aborted !== true; sent += 1) {
    if (options.perSecond !== undefined) await pause(Math.max(0, start + (sent * 1000) / options.perSecond - performance.now()));
    open.push(one());
    if (options.perSecond === undefined && open.length % 64 === 0) await Promise.all(open);
  }
  await Promise.all(open);
  agent.destroy();
  return stats;
}

function get(
  url: string,
  agent: http.Agent,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; build: string } | undefined> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent, headers, timeout: 5000 }, (response) => {
      response.resume();
      const build = response.headers['x-build-guid'];
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          build: typeof build === 'string' ? build : 'none',
        }),
      );
      response.once('error', () => resolve(undefined));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(undefined));
  });
}
