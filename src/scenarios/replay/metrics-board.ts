/** Stands in for Prometheus: answers instant queries about the builds' own counters. Must answer nothing for a build that answered nobody. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Answered } from '../demo/backend.ts';

export interface MetricsBoard {
  readonly url: string;
  /** Whose counters it knows from now on. */
  watch(backends: readonly { answered(): ReadonlyMap<string, Answered> }[]): void;
  /** Silent: every series is gone, as after a rule that drops them as noise. */
  setSilent(silent: boolean): void;
  close(): Promise<void>;
}

/** One of the questions that the one query joins, and the labels that it wants its answer to have. */
const QUESTION =
  /label_replace\(\nsum\((requests|errors)_total\{build="([0-9a-f-]{36})"\}\)\n, "(\w+)", "(\w+)", "", ""\), "(\w+)", "(\w+)", "", ""\)/g;

/**
 * Answers `sum(requests_total{build="GUID"})` and `sum(errors_total{build="GUID"})`, labelled and joined as the source asks for them, in the
 * form of Prometheus' HTTP API v1. When it scraped it does not say: no sample here is older than its question.
 */
export async function startMetricsBoard(): Promise<MetricsBoard> {
  let watched: readonly { answered(): ReadonlyMap<string, Answered> }[] = [];
  let silent = false;
  const count = (what: string, guid: string): number | undefined => {
    if (silent) return undefined;
    const seen = watched.flatMap((backend) => backend.answered().get(guid) ?? []);
    if (seen.length === 0) return undefined;
    return seen.reduce((sum, { requests, errors }) => sum + (what === 'errors' ? errors : requests), 0);
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://metrics');
    if (pathname !== '/api/v1/query') return void response.writeHead(404).end();
    const asked = (searchParams.get('query') ?? '').matchAll(QUESTION);
    const result = [...asked].flatMap(([, what = '', guid = '', one = '', its = '', other = '', others = '']) => {
      const found = count(what, guid);
      return found === undefined ? [] : [{ metric: { [one]: its, [other]: others }, value: [Date.now() / 1000, String(found)] }];
    });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    watch: (backends) => {
      watched = backends;
    },
    setSilent: (value) => {
      silent = value;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
