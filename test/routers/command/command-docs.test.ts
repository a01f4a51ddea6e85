import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { command } from '../../../src/routers/command/command.ts';
import { askedText, identifySchema, readSchema, setText } from '../../../src/routers/command/command-protocol.ts';

const page = readFileSync('docs/command-router.md', 'utf8');

describe('docs/command-router.md', () => {
  it('the config of the page is one that the router takes', () => {
    const { kind, ...settings } = parse(/```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '').router;
    expect(kind).toBe(command.kind);
    expect(command.config.safeParse(settings)).toMatchObject({ success: true });
  });

  it('the inputs of the page are what the program is told, to the byte', () => {
    expect(page).toContain(`| \`read\` | \`${askedText('web').trim()}\` |`);
    expect(page).toContain(`| \`set\` | \`${setText('web', { green: 0, blue: 100 }, 'at-once').trim()}\` |`);
    expect(page).toContain(`| \`identify\` | \`${askedText('web').trim()}\` |`);
  });

  it('the outputs of the page are what the program may print', () => {
    const [, read = ''] = /\| `read` \| `[^`]*` \| `([^`]*)` \|/.exec(page) ?? [];
    const [, members = ''] = /`("members":\{[^`]*)`/.exec(page) ?? [];
    const [, identify = ''] = /\| `identify` \| `[^`]*` \| `([^`]*)` \|/.exec(page) ?? [];
    expect(readSchema.safeParse(JSON.parse(read))).toMatchObject({ success: true });
    expect(readSchema.safeParse(JSON.parse(`${read.slice(0, -1)},${members}}`))).toMatchObject({ success: true });
    expect(identifySchema.safeParse(JSON.parse(identify))).toMatchObject({ success: true });
  });
});
