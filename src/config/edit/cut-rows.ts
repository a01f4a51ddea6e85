/** Takes rows out of a manifest's text, with the comments that are theirs; every other byte stays as it is. */

import type { ListNode } from '../parse/nodes.ts';
import type { Span } from '../parse/source.ts';
import { blankBefore, buildsOf, commaIn, endOfItem, lineEnd, lineStart, type ManifestText } from './rows.ts';

/** The text without the rows at these indexes; undefined where it has no list. */
export function withoutRows({ text, root, json }: ManifestText, indexes: readonly number[]): string | undefined {
  const entry = buildsOf(root);
  const list = entry?.value;
  if (entry === undefined || list?.type !== 'list') return undefined;
  const out = new Set(indexes);
  if (text[list.from] === '[') return cut(text, flowSpans(text, list, out));
  const spans = indexes.map((index) => blockSpan(text, list, index));
  const left = cut(text, spans);
  if (out.size < list.items.length || json) return left;
  const colon = text.indexOf(':', entry.keySpan.to);
  return `${left.slice(0, colon + 1)} []${left.slice(colon + 1)}`;
}

function cut(text: string, spans: readonly Span[]): string {
  const lastFirst = spans.toSorted((a, b) => b.from - a.from);
  return lastFirst.reduce((left, { from, to }) => left.slice(0, from) + left.slice(to), text);
}

/**
 * The lines of a row of a block list. Comment lines directly above it are about it, except above the first row, where they are about the
 * list. Of the blank lines around it, those above stay.
 */
function blockSpan(text: string, list: ListNode, index: number): Span {
  const column = list.from - lineStart(text, list.from);
  const dash = new RegExp(`^ {${column}}-(?:\\s|$)`);
  let from = lineStart(text, list.items[index]?.from ?? list.from);
  while (!dash.test(text.slice(from, lineEnd(text, from))) && from > 0) from = lineStart(text, from - 1);
  const least = index === 0 ? from : endOfItem(text, list, index - 1);
  while (from > least && /^[ \t]*#/.test(text.slice(lineStart(text, from - 1), from))) from = lineStart(text, from - 1);
  let to = endOfItem(text, list, index);
  const isBlank = (at: number) => at < text.length && text.slice(at, lineEnd(text, at)).trim() === '';
  if (from === 0 || isBlank(lineStart(text, from - 1)) || index === 0) while (isBlank(to)) to = lineEnd(text, to);
  return { from, to };
}

/** Items between brackets, each with its comma; a whole line where nothing else is on it. */
function flowSpans(text: string, list: ListNode, out: ReadonlySet<number>): readonly Span[] {
  const spans = list.items.flatMap((item, index): Span[] => {
    if (!out.has(index)) return [];
    const comma = commaIn(text.slice(item.to, list.items[index + 1]?.from ?? list.to - 1));
    const own = { from: item.from, to: item.to };
    const between = text.slice(item.to, item.to + Math.max(0, comma));
    if (comma === -1) return [wholeLine(text, own) ?? own];
    const withComma = { from: item.from, to: item.to + comma + 1 };
    if (between.trim() === '') return [wholeLine(text, withComma) ?? { ...withComma, to: afterBlanks(text, withComma.to) }];
    return [own, { from: item.to + comma, to: item.to + comma + 1 }];
  });
  // Without the last item, the comma before it would be left over: JSON has none there.
  const last = list.items.length - 1;
  const kept = list.items.findLastIndex((_item, index) => !out.has(index));
  if (kept === -1 || kept === last) return spans;
  const item = list.items[kept] as Span;
  const next = list.items[kept + 1]?.from ?? list.to;
  const comma = commaIn(text.slice(item.to, next));
  if (comma === -1) return spans;
  const to = afterBlanks(text, item.to + comma + 1);
  return [...spans, { from: item.to + comma, to: to === next ? to : item.to + comma + 1 }];
}

function afterBlanks(text: string, at: number): number {
  return at + (/^[ \t]*(?=\S)/.exec(text.slice(at))?.[0].length ?? 0);
}

/** The line of a part that has it for itself. */
function wholeLine(text: string, { from, to }: Span): Span | undefined {
  const end = lineEnd(text, to);
  const pad = blankBefore(text, from);
  return pad !== undefined && text.slice(to, end).trim() === '' ? { from: from - pad.length, to: end } : undefined;
}
