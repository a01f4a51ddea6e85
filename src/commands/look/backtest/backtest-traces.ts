/** The traces of a backtest: from a file or standard input, or from Prometheus by the config's own queries. Refuses what it cannot have whole. */
import { resolve } from 'node:path';
import type { GateTrace } from '../../../backtest/backtest.ts';
import { readTrace, type TraceRow } from '../../../backtest/trace.ts';
import { formOf, intervalsOf, type StatusNames } from '../../../backtest/trace-counts.ts';
import { recordedRows } from '../../../backtest/trace-recorded.ts';
import type { Scope } from '../../../base/scope.ts';
import { loadConfig, loadManifests } from '../../../config/load.ts';
import { KvdeployError } from '../../../core/errors.ts';
import { parseDuration } from '../../../core/gates/verdict/gate.ts';
import { findingsText } from '../../../core/manifest/finding.ts';
import type { Build } from '../../../core/manifest/manifest.ts';
import { type Guid, parseGuid } from '../../../core/scope.ts';
import { openSource } from '../../../metrics/index.ts';
import type { Question } from '../../../metrics/metric-source.ts';
import { addressProblem } from '../../../metrics/prometheus/access.ts';
import { placeholdersOf, unaskable } from '../../../metrics/prometheus/placeholders.ts';
import { momentsIn, type PrometheusConfig, queriesOf, recordedCounts } from '../../../metrics/prometheus/prometheus.ts';
import type { Deps } from '../../../release/deps.ts';
import type { AskedGates } from './backtest-gates.ts';

/** About a million lines. A longer recording is cut into several traces. */
const TRACE_BYTES_MAX = 32 * 1024 * 1024;

const MEBIBYTE = 1024 * 1024;

const HINT = 'A trace is a CSV file with the header t_s,slice,build,requests,errors. See: kvdeploy explain TRACE_INVALID';

/** The rows, in order of time. Throws TRACE_INVALID; every finding is told first. */
export async function traceRows(file: string, needs: 'both' | 'stable', deps: Deps): Promise<readonly TraceRow[]> {
  const shown = file === '-' ? '<stdin>' : file;
  const bytes = file === '-' ? await deps.stdin(TRACE_BYTES_MAX) : fileBytes(file, deps);
  if (bytes.length > TRACE_BYTES_MAX) throw tooLarge(shown);
  const { rows, findings } = readTrace(textOf(bytes, shown), shown, needs);
  const [first] = findings;
  if (first === undefined) return rows;
  const json = deps.globals.json === true;
  deps.line({ type: 'document', name: 'findings', data: findings });
  deps.write(`${findingsText(findings)}\n`, 'stderr');
  throw new KvdeployError('TRACE_INVALID', {
    message: findings.length === 1 ? `${first.message}.` : `${shown} has ${findings.length} errors.`,
    hint: first.fix,
    ...(json ? { findings } : { places: [{ file: shown, line: first.line, column: first.column }] }),
  });
}

function textOf(bytes: Uint8Array, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new KvdeployError('TRACE_INVALID', {
      message: `${shown} is not UTF-8 text.`,
      hint: HINT,
      places: [{ file: shown }],
    });
  }
}

function fileBytes(file: string, deps: Deps): Uint8Array {
  const path = resolve(deps.cwd, file);
  const places = [{ file }];
  let size: number;
  try {
    const stat = deps.io.fs.statSync(path);
    if (!stat.isFile()) throw new Error('it is not a regular file');
    size = stat.size;
    if (size <= TRACE_BYTES_MAX) return deps.io.fs.readFileSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? message);
    throw new KvdeployError('TRACE_INVALID', {
      message: `${file} cannot be read: ${why}.`,
      hint: 'Check the name and the permissions.',
      places,
      cause,
    });
  }
  throw tooLarge(file);
}

function tooLarge(shown: string): KvdeployError {
  return new KvdeployError('TRACE_INVALID', {
    message: `${shown} is larger than the limit of ${TRACE_BYTES_MAX / MEBIBYTE} MiB.`,
    hint: 'Record longer intervals, or split the trace; a few hours are enough for a verdict.',
    places: [{ file: shown }],
  });
}

// Fetches a recorded rollout from Prometheus by the very queries of the config's gates. Refuses what it cannot have whole.

export interface RangeOptions {
  readonly fromPrometheus?: string;
  readonly build?: string;
  readonly stable?: string;
  readonly start?: string;
  readonly end?: string;
  readonly step?: string;
}

export interface Fetched extends GateTrace {
  readonly rows: readonly TraceRow[];
}

/** As many as Prometheus gives at most for one query. */
const MOMENTS_MAX = 11_000;

/** One trace for each gate of the source `prometheus`. Throws USAGE, UNREACHABLE or TRACE_INVALID. */
export async function fetchTraces(
  options: RangeOptions,
  asked: AskedGates,
  needs: 'both' | 'stable',
  names: StatusNames,
  deps: Deps,
): Promise<readonly Fetched[]> {
  const gates = new Map([...asked.compared, ...asked.fixed].map((gate) => [gate.name, gate]));
  const ours = [...gates.values()].filter(({ source }) => source === 'prometheus');
  if (ours.length === 0)
    throw usage('No gate of the config uses Prometheus, so there are no queries to run.', '--config FILE --env E');
  const wrong = addressProblem(options.fromPrometheus ?? '');
  if (wrong !== undefined)
    throw usage(`${wrong.charAt(0).toUpperCase()}${wrong.slice(1)}.`, 'Headers, secrets and certificates are those of the gate.');
  const traces: Fetched[] = [];
  for (const gate of ours) {
    const config = openSource(gate).config as PrometheusConfig;
    const settings = { ...config, url: options.fromPrometheus ?? config.url };
    const range = rangeOf(options, settings.interval);
    const listed = await listedBuilds(settings, deps);
    const { scope } = deps.situation;
    const stable = questionOf('--stable', options.stable, settings, scope, listed);
    const candidate = needs === 'stable' ? stable : questionOf('--build', options.build, settings, scope, listed);
    const found = await recordedCounts(settings, { candidate, stable }, range, deps.io);
    if ('missing' in found) {
      throw new KvdeployError('UNREACHABLE', {
        message: `Gate ${gate.name}: ${found.missing}.`,
        hint: 'Run the query by hand, and check that Prometheus still has data for this range.',
      });
    }
    const rows = recordedRows(found.moments, range.startS, found.metrics);
    const absent = (needs === 'both' ? (['candidate', 'stable'] as const) : (['stable'] as const)).find(
      (arm) => !rows.some((row) => row.arm === arm),
    );
    if (absent !== undefined) throw nothingThere(gate.name, absent, found.moments);
    const intervals = intervalsOf(rows);
    const form = formOf(intervals.all, names);
    const statuses = found.metrics.filter(({ counts }) => counts === 'failures');
    const latency = form.metrics.filter(({ counts }) => counts === 'slower');
    traces.push({ gate: gate.name, rows, intervals, form: { ...form, metrics: [...statuses, ...latency] } });
  }
  return traces;
}

function usage(message: string, hint: string): KvdeployError {
  return new KvdeployError('USAGE', { message, hint });
}

function nothingThere(
  gate: string,
  arm: 'candidate' | 'stable',
  moments: readonly { readonly reading: object }[],
): KvdeployError {
  const readings = moments.map(({ reading }) => (reading as Record<typeof arm, { missing?: string }>)[arm]);
  const why = readings.find(({ missing }) => missing !== undefined)?.missing ?? 'no two consecutive samples';
  return new KvdeployError('TRACE_INVALID', {
    message: `Gate ${gate} has no counts of the ${arm} build between --start and --end: ${why}.`,
    hint: 'Check --start and --end (with a time zone), and the builds: --build GUID@PLACE --stable GUID@PLACE',
  });
}

function rangeOf({ start, end, step }: RangeOptions, intervalMs: number): { startS: number; endS: number; stepS: number } {
  const stepMs = step === undefined ? intervalMs : parseDuration(step);
  if (stepMs === undefined || stepMs < 100) throw usage(`--step ${step} is not a valid interval.`, '--step 15s');
  const range = { startS: momentOf('--start', start), endS: momentOf('--end', end), stepS: stepMs / 1000 };
  const count = momentsIn(range);
  if (count < 2) throw usage('--end must be at least one interval after --start.', `--end at least ${range.stepS} s later`);
  if (count > MOMENTS_MAX)
    throw usage(`${count} intervals exceed Prometheus's limit of ${MOMENTS_MAX}.`, 'Use a longer --step or a shorter range.');
  return range;
}

/** Seconds since 1970. A time without its zone would be another one on another machine. */
function momentOf(flag: string, text: string | undefined): number {
  const example = `${flag} 2026-11-22T10:00:00Z`;
  if (text === undefined) throw usage(`${flag} is missing.`, example);
  if (/^\d{9,11}(?:\.\d{1,3})?$/.test(text)) return Number(text);
  const ms = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw usage(`${flag} ${JSON.stringify(text)} is not a time with a time zone.`, example);
  return ms / 1000;
}

/** `GUID`, `PLACE` or `GUID@PLACE`; each is needed only where a query asks for it. */
function questionOf(
  flag: string,
  text: string | undefined,
  settings: PrometheusConfig,
  scope: Scope | null,
  listed: readonly Build[],
): Question {
  if (text === undefined) throw usage(`${flag} is missing.`, `${flag} GUID@PLACE`);
  const [first = '', ...rest] = text.split('@');
  const guid = parseGuid(first);
  const place = guid === undefined ? text : rest.join('@');
  const given = new Map([
    ['build', guid],
    ['place', place],
  ]);
  for (const name of placeholdersOf(queriesOf(settings)))
    if (given.has(name) && (given.get(name) ?? '') === '')
      throw usage(`The queries use \${${name}}, but ${flag} ${text} does not give it.`, `${flag} GUID@PLACE`);
  if (scope === null) throw usage('No service was given.', '--config FILE --env E');
  const { version, digest, labels } = listed.find((build) => build.guid === guid) ?? {};
  const question: Question = { scope, build: guid ?? ('' as Guid), place, version, digest, labels };
  const why = unaskable(queriesOf(settings), { candidate: question, stable: null });
  if (why !== undefined) throw usage(`${flag} ${text}: ${why}.`, `${flag} GUID@PLACE, of a build that a manifest lists`);
  return question;
}

/** What the manifests list, where a query names more of a build than GUID and place. */
async function listedBuilds(settings: PrometheusConfig, deps: Deps): Promise<readonly Build[]> {
  const names = [...placeholdersOf(queriesOf(settings))];
  if (names.every((name) => name === 'build' || name === 'place')) return [];
  const config = await loadConfig({ file: deps.globals.config, cwd: deps.cwd }, deps.io);
  const { manifests } = await loadManifests(config, config.manifestsDir, deps.io);
  return manifests.flatMap(({ builds }) => builds.map(({ build }) => build));
}
