import { describe, expect, it } from 'vitest';
import { block, wrapped } from '../../src/scenarios/replay-text.ts';

describe('the two columns', () => {
  it('two columns are side by side, the time once, no line wider than the terminal', () => {
    const lines = block('19:40', 'word '.repeat(30).trim(), ['$ kvdeploy promote', 'other '.repeat(30).trim()], 100);
    expect(lines[0]).toMatch(/^19:40 +word .* │ \$ kvdeploy promote$/);
    expect(lines.slice(1).every((line) => line.startsWith(' '))).toBe(true);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('two columns follow each other if the terminal is narrow', () => {
    expect(block('19:40', 'left', ['right'], 70)).toEqual(['19:40  left', '    right']);
    expect(block('', '', ['right'], 70)).toEqual(['    right']);
  });

  it('a column breaks at spaces, indents what follows, and keeps a word that is too long', () => {
    expect(wrapped('  a bb ccc', 6)).toEqual(['  a bb', '    ccc']);
    expect(wrapped('x'.repeat(20), 6)).toEqual(['x'.repeat(20)]);
    expect(wrapped('', 6)).toEqual([]);
  });
});
