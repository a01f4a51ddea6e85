import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../../src/cli.ts';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const program = buildProgram(async () => {});

function sources(): readonly { readonly file: string; readonly text: string }[] {
  const names = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return names.map((file) => ({
    file,
    text: readFileSync(join(SRC, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, ''),
  }));
}

/** Words after `kvdeploy ` that are meant as a command: at the start of a text, or after a colon, quote, backtick, comma or `or`. */
const NAMED =
  /(?:['"`:(]|\bor\b|\bwith\b|\buse\b|\bsee\b|\brun\b)\s*`?kvdeploy ((?:[a-z][a-z-]*)(?: (?:show|verify|export|import|pardon|add|remove|prune)\b)?)(?=[\s'"`]| --)/gi;

function find(words: readonly string[]): Command | undefined {
  return words.reduce<Command | undefined>((at, word) => at?.commands.find((command) => command.name() === word), program);
}

describe('commands that texts name', () => {
  const named = sources().flatMap(({ file, text }) => [...text.matchAll(NAMED)].map((match) => ({ file, name: match[1] ?? '' })));

  test('the commands that texts name are found at all', () => {
    expect(new Set(named.map(({ name }) => name)).size).toBeGreaterThan(8);
  });

  test('every command that a text names exists, so that whoever follows a hint gets somewhere', () => {
    const sentence =
      /^(?:needs|is|set|expects|goes|does|can|could|writes|keeps|draws|never|with|reads|runs|was|where|config|release|machine)$/;
    expect(named.filter(({ name }) => find(name.split(' ')) === undefined && !sentence.test(name))).toEqual([]);
  });

  test('no text names a command that is still to come', () => {
    const later = /kvdeploy (?:init|drill|kit|key|record|approve|login|logout|whoami|report|completion)\b/;
    expect(
      sources()
        .filter(({ text }) => later.test(text))
        .map(({ file }) => file),
    ).toEqual([]);
  });

  test('the options that texts show with a command are options of it', () => {
    const wrong = sources().flatMap(({ file, text }) =>
      [
        ...text.matchAll(
          /kvdeploy ([a-z]+(?: (?:show|verify|export|import|pardon|add|remove|prune)\b)?)((?: [^`'"\n]*?)?)[`'"\n]/g,
        ),
      ].flatMap(([, name = '', rest = '']) => {
        const command = find(name.split(' '));
        const known = new Set(command?.options.map((option) => option.long));
        const used = [...rest.matchAll(/ (--[a-z-]+)/g)].map((match) => match[1] ?? '');
        return command === undefined
          ? []
          : used.filter((flag) => !known.has(flag) && flag !== '--help').map((flag) => `${file}: kvdeploy ${name} ${flag}`);
      }),
    );
    expect(wrong).toEqual([]);
  });
});
