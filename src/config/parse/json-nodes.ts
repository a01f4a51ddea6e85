/** Strict JSON (RFC 8259) to nodes with places. Must accept nothing that JSON.parse refuses. */
import type { Finding } from '../../core/errors.ts';
import { MAX_DEPTH, type MapNode, type SourceNode, tooDeep } from './nodes.ts';
import { findingAt, type SourceText, type Span } from './source.ts';

const TOKEN =
  /[ \t\n\r]*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-]))/uy;

interface Token extends Span {
  readonly text: string;
  readonly scalar: boolean;
}

class JsonTrouble extends Error {
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.message);
    this.finding = finding;
  }
}

export function jsonNodes(source: SourceText): { readonly root?: SourceNode; readonly findings: readonly Finding[] } {
  const tokens = tokensOf(source);
  try {
    const root = readValue(source, tokens, 1);
    if (tokens.peek() !== undefined) throw unexpected(source, tokens.peek(), 'the end of the file');
    return { root, findings: [] };
  } catch (error) {
    if (error instanceof JsonTrouble) return { findings: [error.finding] };
    throw error;
  }
}

interface Tokens {
  peek(): Token | undefined;
  take(): Token | undefined;
}

function tokensOf(source: SourceText): Tokens {
  let ahead: Token | undefined;
  let at = 0;
  const scan = (): Token | undefined => {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source.text);
    if (match === null) {
      const rest = /[^ \t\n\r]/.exec(source.text.slice(at));
      if (rest === null) return undefined;
      throw unexpected(source, { from: at + rest.index, to: at + rest.index + 1, text: rest[0], scalar: false });
    }
    at = TOKEN.lastIndex;
    const text = match[1] ?? match[2] ?? match[3] ?? '';
    return { text, scalar: match[1] === undefined, from: at - text.length, to: at };
  };
  return {
    peek: () => {
      ahead ??= scan();
      return ahead;
    },
    take: () => {
      const token = ahead ?? scan();
      ahead = undefined;
      return token;
    },
  };
}

function readValue(source: SourceText, tokens: Tokens, depth: number): SourceNode {
  const token = tokens.take();
  if (token === undefined || (!token.scalar && token.text !== '{' && token.text !== '['))
    throw unexpected(source, token, 'a value');
  if (depth > MAX_DEPTH) throw new JsonTrouble(tooDeep(source, token));
  if (token.scalar) return { type: 'scalar', value: JSON.parse(token.text), from: token.from, to: token.to };
  return token.text === '{' ? readMap(source, tokens, token, depth) : readList(source, tokens, token, depth);
}

function readMap(source: SourceText, tokens: Tokens, open: Token, depth: number): SourceNode {
  const entries: MapNode['entries'][number][] = [];
  const to = readItems(source, tokens, '}', () => {
    const key = tokens.take();
    if (key === undefined || !key.text.startsWith('"')) throw unexpected(source, key, 'a key in double quotes');
    const colon = tokens.take();
    if (colon?.text !== ':') throw unexpected(source, colon, '":"');
    const keySpan = { from: key.from, to: key.to };
    entries.push({ key: JSON.parse(key.text), keySpan, value: readValue(source, tokens, depth + 1) });
  });
  return { type: 'map', entries, from: open.from, to };
}

function readList(source: SourceText, tokens: Tokens, open: Token, depth: number): SourceNode {
  const items: SourceNode[] = [];
  const to = readItems(source, tokens, ']', () => items.push(readValue(source, tokens, depth + 1)));
  return { type: 'list', items, from: open.from, to };
}

/** Reads items up to `close`; returns the offset after it. */
function readItems(source: SourceText, tokens: Tokens, close: '}' | ']', readItem: () => unknown): number {
  if (tokens.peek()?.text === close) return tokens.take()?.to ?? 0;
  for (;;) {
    readItem();
    const token = tokens.take();
    if (token?.text === close) return token.to;
    if (token?.text !== ',') throw unexpected(source, token, `"," or "${close}"`);
  }
}

function unexpected(source: SourceText, token: Token | undefined, wanted?: string): JsonTrouble {
  const span = token ?? { from: source.text.trimEnd().length, to: source.text.trimEnd().length + 1 };
  const found = token === undefined ? 'the file ends' : `there is ${JSON.stringify(token.text.slice(0, 40))}`;
  const expected = wanted === undefined ? '' : `expected ${wanted}, but `;
  const fix = 'Use strict JSON: double quotes, no comments, no trailing commas.';
  return new JsonTrouble(findingAt(source, span, { code: 'SYNTAX', message: `Not JSON: ${expected}${found}.`, fix }));
}
