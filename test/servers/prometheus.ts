/** A real Prometheus on loopback for tests: scrapes what it is told, can be frozen, thawed and ended. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, startProgram, tempFolder, until } from './program.ts';

export interface PrometheusOptions {
  /** `127.0.0.1:<port>`, each with `/metrics`. */
  readonly targets: readonly string[];
  /** A Prometheus duration; `200ms` when left out. */
  readonly scrapeInterval?: string;
  /** Labels that a target says itself, such as `instance`, stand as it says them: one target for many pods. */
  readonly honorLabels?: boolean;
  /** Whom it answers: a user, their password, and its bcrypt hash. */
  readonly basicAuth?: { readonly user: string; readonly password: string; readonly hash: string };
}

export interface Prometheus {
  readonly url: string;
  /** The value of an instant query that gives one sample; undefined when it gives none. */
  value(query: string): Promise<number | undefined>;
  /** SIGSTOP: connections are accepted by the kernel and never answered. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts Prometheus with an empty database and waits until it has scraped every target once: five to six seconds. */
export async function startPrometheus(options: PrometheusOptions): Promise<Prometheus> {
  const { folder, remove } = tempFolder();
  const port = await freePort();
  const config = path.join(folder, 'prometheus.json');
  const interval = options.scrapeInterval ?? '200ms';
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: interval, scrape_timeout: interval },
      scrape_configs: [
        { job_name: 'gateway', honor_labels: options.honorLabels ?? false, static_configs: [{ targets: options.targets }] },
      ],
    }),
  );
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
  const { basicAuth } = options;
  const pair = Buffer.from(`${basicAuth?.user}:${basicAuth?.password}`).toString('base64');
  const headers: Record<string, string> = basicAuth === undefined ? {} : { authorization: `Basic ${pair}` };
  if (basicAuth !== undefined) {
    writeFileSync(path.join(folder, 'web.json'), JSON.stringify({ basic_auth_users: { [basicAuth.user]: basicAuth.hash } }));
    args.push(`--web.config.file=${folder}/web.json`);
  }
  const program = await startProgram(
    'prometheus',
    [...args, '--log.level=warn', '--scrape.discovery-reload-interval=100ms'],
    folder,
  );
  const url = `http://127.0.0.1:${port}`;
  await until(
    () => `prometheus did not start: ${program.output()}`,
    async () => {
      if (program.exited()) throw new Error(`prometheus ended: ${program.output()}`);
      const answer = await fetch(`${url}/-/ready`, {
        headers,
        signal: AbortSignal.timeout(1000),
      }).catch(() => undefined);
      return answer?.ok === true ? true : undefined;
    },
    20_000,
  );
  const value = async (query: string) => {
    const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(query)}`, {
      headers,
      signal: AbortSignal.timeout(2000),
    });
    const body = (await answer.json()) as {
      data?: { result?: { value?: [number, string] }[] };
    };
    const text = body.data?.result?.[0]?.value?.[1];
    return text === undefined ? undefined : Number(text);
  };
  // Its discovery hands the targets on only after five seconds, whatever the scrape interval is.
  await until(
    () => `prometheus scraped no target: ${program.output()}`,
    async () => ((await value('count(up)')) === options.targets.length ? true : undefined),
    20_000,
  );
  return {
    url,
    value,
    freeze: () => program.signal('SIGSTOP'),
    thaw: () => program.signal('SIGCONT'),
    async stop() {
      await program.signal('SIGKILL');
      remove();
    },
  };
}
