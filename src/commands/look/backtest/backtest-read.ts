/** Reads a recorded trace from a file or standard input. Refuses it whole, with every finding, where anything is wrong. */
import { resolve } from 'node:path';
import { readTrace, type TraceRow } from '../../../backtest/trace.ts';
import { KvdeployError } from '../../../core/errors.ts';
import { findingsText } from '../../../core/manifest/finding.ts';
import type { Deps } from '../../../release/deps.ts';

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
