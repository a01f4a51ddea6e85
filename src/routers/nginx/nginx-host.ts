/** What is asked of the host on which an nginx runs: this one, or another over SSH. Must change nothing. */
import { type Asking, type Elsewhere, elsewhereFor, type HttpAnswer, type RunAnswer } from '../../base/changes/change.ts';
import { type LogMembers, type LogReading, readLog } from '../../base/nginx/nginx-log.ts';
import { type Workers, workersOf } from '../../base/nginx/nginx-workers.ts';
import type { Io } from '../../io.ts';

/** Everything rejects where the host does not answer. */
export interface NginxHost {
  http(asking: Asking): Promise<HttpAnswer>;
  run(argv: readonly string[], timeoutMs: number): Promise<RunAnswer>;
  readText(path: string): Promise<string>;
  log(path: string, members: LogMembers): Promise<LogReading>;
  workers(pidFile: string, answered: readonly number[]): Promise<Workers>;
}

/** The host of a location. */
export function hostAt(name: string, io: Io): NginxHost {
  const there = elsewhereFor({ at: name }, io);
  return there === undefined ? here(io) : overSsh(there);
}

function here(io: Io): NginxHost {
  return {
    http: (asking) => io.http(asking, () => undefined),
    run: (argv, timeoutMs) => io.run(argv, timeoutMs, () => undefined),
    readText: async (path) => String(io.fs.readFileSync(path, 'utf8')),
    log: async (path, members) => readLog(path, members, { fs: io.fs, nowMs: io.monotonic() }),
    workers: async (pidFile, answered) => workersOf(pidFile, answered, io.fs),
  };
}

function overSsh(there: Elsewhere): NginxHost {
  return {
    http: ({ url, timeoutMs }) => there.ask({ do: 'hear', asked: { kind: 'http', url, timeoutMs } }),
    run: (argv, timeoutMs) => there.ask({ do: 'run', argv, timeoutMs }),
    readText: (path) => there.ask({ do: 'read', path }),
    log: async (path, members) => {
      const { counts, ...rest } = await there.ask({ do: 'log', path, members });
      return { counts: new Map(Object.entries(counts)), ...rest };
    },
    workers: (pidFile, answered) => there.ask({ do: 'workers', pidFile, answered }),
  };
}
