/** `explain`: what a code means, what causes it and what to do, without any file, network or state. Changes nothing. */
import { EXIT } from '../../base/codes.ts';
import { KvdeployError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import { EXIT_WORDS, EXPLANATIONS, exitOf } from '../../explain/explanations.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { table, widest } from '../../terminal/layout.ts';

const EXIT_CODES = 'exit-codes';

type Known = keyof typeof EXPLANATIONS;

/** One code, `exit-codes`, or without an argument the list of all. Throws UNKNOWN_NAME with the nearest code. */
export async function explain(asked: string | undefined, deps: Deps): Promise<Outcome> {
  if (asked === undefined) return list(deps);
  if (asked === EXIT_CODES) return exitCodes(deps);
  const code = asked.toUpperCase().replaceAll('-', '_');
  if (!isKnown(code)) throw unknownCode(asked, code);
  const { means, example, causes, todo } = EXPLANATIONS[code];
  const exitCode = exitOf(code);
  deps.line({ type: 'document', name: 'explanation', data: { code, exitCode, means, example, causes, todo } });
  deps.print(
    [
      `${code}  (exit ${exitCode})`,
      `  ${means}`,
      `  for example  ${example}`,
      ...causes.map((cause, index) => `  ${index === 0 ? 'causes' : '      '}       ${cause}`),
      ...todo.map((step, index) => `  ${index === 0 ? 'try' : '   '}          ${step}`),
    ].join('\n'),
  );
  return done('');
}

function isKnown(code: string): code is Known {
  return Object.hasOwn(EXPLANATIONS, code);
}

function unknownCode(asked: string, code: string): KvdeployError {
  const near = asked.startsWith('exit') ? EXIT_CODES : nearest(code, Object.keys(EXPLANATIONS));
  return new KvdeployError('UNKNOWN_NAME', {
    message: `There is no code ${JSON.stringify(asked)}.`,
    hint: near === undefined ? 'See all codes: kvdeploy explain' : `kvdeploy explain ${near}`,
  });
}

function list(deps: Deps): Outcome {
  const codes = Object.keys(EXPLANATIONS) as Known[];
  const rows = codes.map((code) => ({ code, exitCode: exitOf(code), means: EXPLANATIONS[code].means }));
  deps.line({ type: 'document', name: 'explanations', data: rows });
  const lines = rows.map((row) => `${row.code.padEnd(20)} ${String(row.exitCode).padStart(3)}  ${first(row.means)}`);
  deps.print(lines.join('\n'));
  return done('');
}

function first(text: string): string {
  return /^.*?[.:](?= |$)/.exec(text)?.[0].replace(/[.:]$/, '') ?? text;
}

function exitCodes(deps: Deps): Outcome {
  const rows = (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => ({ exitCode: EXIT[name], ...EXIT_WORDS[name] }));
  deps.line({ type: 'document', name: EXIT_CODES, data: rows });
  const cells = [['exit', 'meaning', 'traffic'], ...rows.map((row) => [`${row.exitCode}`.padStart(4), row.means, row.traffic])];
  deps.print(table(cells, widest(cells, deps.columns)).join('\n'));
  return done('');
}
