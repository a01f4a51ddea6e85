/** The visitors of the local world: real HTTP requests through the router, bounded in time and number. Must count only what it saw in the answers. */
import { Agent, get } from 'node:http';
import { BUILD_HEADER } from '../routers/local/local-routes.ts';

const PER_TICK = 5;

const TICK_MS = 20;

const MAX_OPEN = 64;

const MAX_REQUESTS = 40_000;

const MAX_MS = 150_000;

const TIMEOUT_MS = 5000;

/** What the visitors saw since the counting began. */
export interface Seen {
  readonly requests: number;
  readonly failed: number;
  /** By the GUID that the build itself answered with. */
  readonly byGuid: ReadonlyMap<string, number>;
}

export interface Visitors {
  /** Counts only requests that begin from now on; resolves with what `count` of them saw, or rejects after 10 s. */
  sample(count: number): Promise<Seen>;
  /** Everything since the start. */
  total(): Seen;
  stop(): void;
}

type Counter = ReturnType<typeof counter>;

/** Sends about 250 requests a second until stopped, and at most 40,000 in at most 150 s. `keepAlive`: over connections that stay open. */
export function startVisitors(url: string, keepAlive: boolean): Visitors {
  const agent = new Agent({ keepAlive, maxSockets: MAX_OPEN });
  const total = counter();
  let current = counter();
  let open = 0;
  let stopped = false;
  const startedAt = performance.now();
  const timer = setInterval(() => {
    if (total.requests >= MAX_REQUESTS || performance.now() - startedAt > MAX_MS) return clearInterval(timer);
    for (let sent = 0; sent < PER_TICK && open < MAX_OPEN; sent += 1) {
      open += 1;
      const into = [total, current];
      visit(url, agent).then((visited) => {
        open -= 1;
        for (const each of into) count(each, visited);
      });
    }
  }, TICK_MS);
  return {
    sample: async (wanted) => {
      const mine = counter();
      current = mine;
      const endsAt = performance.now() + 10_000;
      while (mine.requests < wanted) {
        if (stopped) throw new Error('the load generator has stopped');
        if (performance.now() > endsAt) throw new Error(`only ${mine.requests} of ${wanted} requests were answered within 10 s`);
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
      return mine;
    },
    total: () => total,
    stop: () => {
      stopped = true;
      clearInterval(timer);
      agent.destroy();
    },
  };
}

interface Visit {
  /** Null when no one answered, or the router answered without a build. */
  readonly guid: string | null;
  readonly ok: boolean;
}

function visit(url: string, agent: Agent): Promise<Visit> {
  return new Promise((resolve) => {
    const lost = () => resolve({ guid: null, ok: false });
    const request = get(`${url}/kv/item`, { agent, timeout: TIMEOUT_MS }, (response) => {
      const own = response.headers['x-build-guid'] ?? response.headers[BUILD_HEADER];
      response.resume().on('error', lost);
      response.on('end', () => resolve({ guid: typeof own === 'string' ? own : null, ok: response.statusCode === 200 }));
    });
    request.on('error', lost).on('timeout', () => request.destroy());
  });
}

function counter() {
  return { requests: 0, failed: 0, byGuid: new Map<string, number>() };
}

function count(into: Counter, { guid, ok }: Visit): void {
  into.requests += 1;
  if (!ok) into.failed += 1;
  const who = guid ?? 'no one';
  into.byGuid.set(who, (into.byGuid.get(who) ?? 0) + 1);
}
