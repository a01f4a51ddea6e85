/** YAML 1.2, core schema, one document, to nodes with places. Must refuse every ambiguous feature. */
import { CST, isMap, isPair, isScalar, isSeq, Lexer, parseDocument, type YAMLError } from 'yaml';
import type { Finding } from '../../core/errors.ts';
import { MAX_DEPTH, type MapNode, type SourceNode, tooDeep } from './nodes.ts';
import { findingAt, MOST_FINDINGS, type SourceText, type Span } from './source.ts';

type YamlNode = ReturnType<typeof parseDocument>['contents'];

export function yamlNodes(source: SourceText): { readonly root?: SourceNode; readonly findings: readonly Finding[] } {
  const early = tokenFindings(source);
  if (early.length > 0) return { findings: early };
  const document = withoutStackTraces(() => parseDocument(source.text, OPTIONS));
  const errors = [...document.errors, ...document.warnings];
  if (errors.length > 0) return { findings: errors.slice(0, MOST_FINDINGS + 1).map((error) => syntaxFinding(source, error)) };
  const findings: Finding[] = [];
  const root = convert(source, document.contents, { from: 0, to: 1 }, findings);
  return findings.length > 0 ? { findings } : { root, findings };
}

// uniqueKeys compares every pair: 25,000 keys took 3.8 s. nodeFindings finds duplicates in one pass.
const OPTIONS = { version: '1.2', schema: 'core', merge: false, uniqueKeys: false, strict: true, prettyErrors: false } as const;

/** `yaml` creates an Error for every mistake, tens of thousands in a hostile file, and the stack trace is most of the cost of each. */
function withoutStackTraces<T>(parse: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return parse();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A third more than the tokens of a valid manifest of 256 KiB, and as many for each further 256 KiB: each token costs time and memory. */
const MAX_TOKENS = 80_000;

const TOKENS_PER_CHARACTER = MAX_TOKENS / (256 * 1024);

/** The name of each of these tokens, and what to do instead. */
const FORBIDDEN_TOKENS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['directive-line', ['A directive', 'Remove it; files are YAML 1.2.']],
  ['explicit-key-ind', ['An explicit key', 'Write it as key: value.']],
  ['anchor', ['An anchor', 'Remove it, and write out the value where it is needed.']],
  ['alias', ['An alias', 'Write the value out.']],
  ['tag', ['A tag', 'Remove it; quote a value to make it a string.']],
]);

/**
 * Counts nesting in the tokens, before anything recursive sees them: in `yaml` 2.9 a file of 100,000 brackets overflows
 * the stack inside a regular expression, which ends the whole process. Finds forbidden features on the way.
 */
function tokenFindings(source: SourceText): readonly Finding[] {
  const findings: Finding[] = [];
  let offset = 0;
  const most = Math.max(MAX_TOKENS, Math.ceil(source.text.length * TOKENS_PER_CHARACTER));
  let count = 0;
  let nesting = { brackets: 0, indicators: 0 };
  for (const token of new Lexer().lex(source.text)) {
    const type = CST.tokenType(token);
    const span = { from: offset, to: offset + token.length };
    // Three kinds of token are the lexer's own marks, without text.
    if (type !== 'doc-mode' && type !== 'scalar' && type !== 'flow-error-end') offset += token.length;
    nesting = nestingAfter(nesting, type);
    if (nesting.brackets + nesting.indicators > MAX_DEPTH) return [tooDeep(source, span)];
    count += 1;
    if (count > most) return [tooMany(source, span, most)];
    const [what, fix] = FORBIDDEN_TOKENS.get(type ?? '') ?? [];
    if (what !== undefined && fix !== undefined) findings.push(forbidden(source, span, `${what} (${token.slice(0, 40)})`, fix));
    if (findings.length > MOST_FINDINGS) break;
  }
  return findings;
}

function tooMany(source: SourceText, span: Span, most: number): Finding {
  return findingAt(source, span, {
    code: 'TOO_LARGE',
    message: `The file has more than ${most.toLocaleString('en')} tokens; no manifest needs that many.`,
    fix: 'Remove builds that can no longer be promoted, or check that this is the right file.',
  });
}

/** Open brackets, and the `-` and `:` that can each open a level within one line or one bracket item. */
function nestingAfter(nesting: { brackets: number; indicators: number }, type: CST.TokenType | null): typeof nesting {
  const { brackets, indicators } = nesting;
  if (type === 'flow-map-start' || type === 'flow-seq-start') return { brackets: brackets + 1, indicators: 0 };
  if (type === 'flow-map-end' || type === 'flow-seq-end') return { brackets: Math.max(0, brackets - 1), indicators: 0 };
  if (type === 'seq-item-ind' || type === 'map-value-ind') return { brackets, indicators: indicators + 1 };
  if (type === 'comma' || (type === 'newline' && brackets === 0)) return { brackets, indicators: 0 };
  return nesting;
}

function convert(source: SourceText, node: YamlNode, fallback: Span, findings: Finding[]): SourceNode {
  const span = node?.range ? { from: node.range[0], to: Math.max(node.range[1], node.range[0] + 1) } : fallback;
  if (isSeq(node))
    return { type: 'list', items: node.items.map((item) => convert(source, item as YamlNode, span, findings)), ...span };
  if (isMap(node)) return { type: 'map', entries: node.items.flatMap((pair) => entryOf(source, pair, span, findings)), ...span };
  const value = isScalar(node) ? node.value : null;
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return { type: 'scalar', value, ...span };
  findings.push(forbidden(source, span, 'This kind of value', 'Use strings, numbers, true, false, lists and maps only.'));
  return { type: 'scalar', value: null, ...span };
}

function entryOf(source: SourceText, pair: unknown, parent: Span, findings: Finding[]): MapNode['entries'] {
  if (!isPair(pair)) return [];
  const key = convert(source, pair.key as YamlNode, parent, findings);
  const keySpan = { from: key.from, to: key.to };
  const value = convert(source, pair.value as YamlNode, keySpan, findings);
  if (key.type !== 'scalar' || key.value === null) {
    if (findings.length <= MOST_FINDINGS)
      findings.push(forbidden(source, keySpan, 'A key that is not plain text', 'Write a name before the colon.'));
    return [];
  }
  if (key.value === '<<') findings.push(forbidden(source, keySpan, 'A merge key (<<)', 'Write the keys out.'));
  // The text as written: `1.10:` and `1.1:` are two keys, and `true:` is the key "true".
  const name = typeof key.value === 'string' ? key.value : source.text.slice(keySpan.from, keySpan.to);
  return [{ key: name, keySpan, value }];
}

function forbidden(source: SourceText, span: Span, what: string, fix: string): Finding {
  return findingAt(source, span, {
    code: 'FORBIDDEN_YAML',
    message: `${what} is not allowed here: two parsers could see different files.`,
    fix,
  });
}

function syntaxFinding(source: SourceText, { code, pos: [from], message }: YAMLError): Finding {
  if (code === 'MULTIPLE_DOCS') {
    const marker = { from, to: from + '---'.length };
    return findingAt(source, marker, {
      code: 'FORBIDDEN_YAML',
      message: 'A second document begins here; a file must contain exactly one.',
      fix: 'Move it to a separate file.',
    });
  }
  const span = { from, to: from + 1 };
  return findingAt(source, span, {
    code: 'SYNTAX',
    message: `Not YAML: ${sentence(message)}`,
    fix: 'Check quotes, brackets and indentation on this line and the one before it.',
  });
}

function sentence(text: string): string {
  const line = (text.split('\n')[0] ?? '').replace(/closing .quote$/, 'closing quote');
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
