/** `validate` from its arguments to its output: every fixture, and what files cannot hold. */
import * as fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { validate } from '../../../src/commands/release/validate.ts';
import { findings, freshFolder, GUID, manifest, put, run } from './validate-run.ts';

const fixtures = path.resolve(import.meta.dirname, '../../../fixtures/validate');

describe('fixtures', () => {
  for (const scenario of fs.readdirSync(fixtures).sort()) {
    test(`${scenario} ends as its expected.json says`, async () => {
      const folder = freshFolder();
      fs.cpSync(path.join(fixtures, scenario), folder, { recursive: true });
      fs.rmSync(path.join(folder, 'expected.json'));
      const result = await findings(folder);
      const expected = JSON.parse(fs.readFileSync(path.join(fixtures, scenario, 'expected.json'), 'utf8'));
      const lines = result.findings.map((each) => `${each.code} ${each.file}:${each.line}:${each.column} ${each.message}`);
      expect({ exitCode: result.exitCode, findings: lines }).toEqual(expected);
      for (const each of result.findings) expect(each.fix).not.toBe('');
    });
  }
});

describe('what is not read', () => {
  const config =
    'apiVersion: kvdeploy.dev/v1\nkind: Config\ntenants: { acme: { environments: { staging: { services: { kv-gateway: {} } } } } }\n';
  const codes = async (folder: string, options = {}) =>
    (await findings(folder, options)).findings.map(({ code, file }) => `${code} ${file}`);

  test('a manifest under another ending, in JSON or after its builds, is a finding with its name', async () => {
    const folder = freshFolder();
    const { head, builds } = {
      head: manifest('staging').split('builds:')[0] ?? '',
      builds: manifest('staging').split('builds:')[1],
    };
    put(folder, {
      'releases/staging/a.yaml.bak': manifest('staging'),
      'releases/staging/b.json.old': '{ "apiVersion": "kvdeploy.dev/v1", "kind": "ReleaseManifest" }',
      'releases/staging/c.txt': `builds:${builds}${head}`,
      'releases/staging/d': manifest('staging'),
      'releases/staging/e.md': manifest('staging'),
      'releases/staging/f.txt': 'This folder has one ReleaseManifest for each kind: staging and production.\n',
    });
    expect(await codes(folder)).toEqual(
      ['a.yaml.bak', 'b.json.old', 'c.txt', 'd'].map((name) => `SCOPE_UNSEEN releases/staging/${name}`),
    );
  });

  test('a file or folder that cannot be opened is a finding of its own, and the others are read', async () => {
    const folder = freshFolder();
    put(folder, {
      'releases/locked/kv-gateway.yaml': manifest('staging'),
      'releases/production/kv-gateway.yaml': manifest('production'),
      'releases/secret.txt': 'x',
    });
    const allowed = (name: string) => {
      if (/locked$|secret\.txt$/.test(name)) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
      return name;
    };
    const lockedFs = {
      ...fs,
      readdirSync: (name: string) => fs.readdirSync(allowed(name)),
      openSync: (name: string, ...rest: [number]) => fs.openSync(allowed(name), ...rest),
    } as unknown as typeof fs;
    const deps = { io: { fs: lockedFs }, cwd: folder, stdin: async () => Buffer.from('') };
    const { out } = await validate({ files: [], format: 'text' }, deps);
    expect(out).toMatch(/NOT_A_FILE {2}This folder cannot be read \(EACCES\)\.\n {2}at {3}releases\/locked/);
    expect(out).toMatch(/NOT_A_FILE {2}The file cannot be read \(EACCES\)\.\n {2}at {3}releases\/secret\.txt/);
    expect(out).toContain('1 manifest, 0 configs: 2 findings');
  });

  test('a scope of the config without a manifest is a finding at its place in the config, also where other files are named', async () => {
    const folder = freshFolder();
    put(folder, { 'kvdeploy.config.yaml': config, 'releases/production/kv-gateway.yaml': manifest('production') });
    expect(await codes(folder)).toEqual(['SCOPE_UNSEEN kvdeploy.config.yaml']);
    expect(await codes(folder, { files: ['releases/production/kv-gateway.yaml'] })).toHaveLength(1);
    put(folder, { 'kvdeploy.config.yaml': config.replace('kv-gateway: {}', 'kv-gateway: { manifest: none }') });
    expect(await codes(folder)).toEqual([]);
  });

  test('a scope whose manifest has a finding of its own is no second finding', async () => {
    const folder = freshFolder();
    put(folder, { 'kvdeploy.config.yaml': config, 'releases/staging/kv-gateway.yaml': '' });
    expect(await codes(folder)).toEqual(['SYNTAX releases/staging/kv-gateway.yaml']);
  });
});

describe('what is read', () => {
  test('a named file is checked against every manifest below the root, and the finding stands in the named one', async () => {
    const folder = freshFolder();
    put(folder, {
      'releases/production/kv-gateway.yaml': manifest('production'),
      'releases/staging/kv-gateway.yaml': manifest('staging'),
    });
    const result = await findings(folder, { files: ['releases/production/kv-gateway.yaml'] });
    expect(result.exitCode).toBe(3);
    expect(result.findings.map((each) => [each.code, each.file])).toEqual([
      ['FOREIGN_BUILD', 'releases/production/kv-gateway.yaml'],
    ]);
    expect(result.findings[0]?.related).toEqual([
      { file: 'releases/staging/kv-gateway.yaml', line: 7, column: 11, note: 'also listed here' },
    ]);
  });

  test('a rule broken between two other files is not held against a named one, an unreadable other file is', async () => {
    const folder = freshFolder();
    put(folder, {
      'releases/production/kv-gateway.yaml': manifest('production', '11111111-1111-4111-8111-111111111111'),
      'releases/staging/kv-gateway.yaml': manifest('staging'),
      'releases/testing/kv-gateway.yaml': manifest('testing'),
    });
    expect((await findings(folder, { files: ['releases/production/kv-gateway.yaml'] })).exitCode).toBe(0);
    expect((await findings(folder)).exitCode).toBe(3);
    put(folder, { 'releases/testing/broken.yaml': 'a: [' });
    expect((await findings(folder, { files: ['releases/production/kv-gateway.yaml'] })).exitCode).toBe(2);
  });

  test('folders and quoted globs name files, each once; a glob without a match is a finding', async () => {
    const folder = freshFolder();
    put(folder, {
      'releases/production/kv-gateway.yaml': manifest('production'),
      'releases/production/api.yaml': manifest('production', '11111111-1111-4111-8111-111111111111', 'api'),
    });
    const files = ['releases', 'releases/**/*.yaml', 'releases/production/a?i.yaml', 'releases/*/kv*.yaml'];
    expect((await run(folder, { files })).out).toBe('2 manifests, 0 configs: no findings\n');
    const none = await findings(folder, { files: ['releases/*.yaml'] });
    expect(none).toMatchObject({ exitCode: 2, findings: [{ code: 'MANIFEST_MISSING', file: 'releases/*.yaml' }] });
  });

  test('a manifest from standard input has no place, stands for the file of its scope, and is held against the others', async () => {
    const folder = freshFolder();
    put(folder, { 'releases/production/kv-gateway.yaml': manifest('production') });
    expect((await findings(folder, { files: ['-'] }, manifest('production'))).exitCode).toBe(0);
    const foreign = await findings(folder, { files: ['-'] }, manifest('staging', `"{${GUID.toUpperCase()}}"`));
    expect(foreign).toMatchObject({ exitCode: 3, findings: [{ code: 'FOREIGN_BUILD', file: '<stdin>' }] });
    expect((await findings(folder, { files: ['-'] }, '')).exitCode).toBe(2);
  });

  test('a manifest outside the root is at the wrong place', async () => {
    const folder = freshFolder();
    put(folder, { 'elsewhere/production/kv-gateway.yaml': manifest('production') });
    expect(await findings(folder, { files: ['elsewhere'] })).toMatchObject({ exitCode: 3, findings: [{ code: 'WRONG_PLACE' }] });
  });

  test('a run inside a repository finds config and manifests at its root, and shows them from there on', async () => {
    const folder = freshFolder();
    put(folder, { '.git/HEAD': 'x', 'deep/er/file': '', 'releases/production/kv-gateway.yaml': 'kind: Thing\n' });
    const {
      findings: [finding],
    } = await findings(path.join(folder, 'deep/er'));
    expect(finding?.file).toBe(path.join(folder, 'releases/production/kv-gateway.yaml'));
  });

  test('nothing at all to validate is exit 2, not a quiet yes', async () => {
    const result = await run(freshFolder());
    expect(result).toMatchObject({ exitCode: 2, out: '' });
    expect(result.err).toContain('nothing to validate');
  });

  test('a symlink below the root is refused and what it points to is not shown', async () => {
    const folder = freshFolder();
    put(folder, { 'secret.txt': 'password: [hunter2', 'releases/production/good.yaml': manifest('production', GUID, 'good') });
    fs.symlinkSync(path.join(folder, 'secret.txt'), path.join(folder, 'releases/production/evil.yaml'));
    fs.symlinkSync(folder, path.join(folder, 'releases/loop'));
    const { exitCode, out } = await run(folder);
    expect(exitCode).toBe(2);
    expect(out.match(/symlink/g)).toHaveLength(1);
    expect(out).toContain('releases/loop:1:1');
    expect(out).not.toContain('hunter2');
    const named = await run(folder, { files: ['releases/production/evil.yaml'] });
    expect(named.out).not.toContain('hunter2');
  });

  test('a manifest of 10 MB is refused unread', async () => {
    const folder = freshFolder();
    put(folder, { 'releases/production/kv-gateway.yaml': Buffer.alloc(10 * 1024 * 1024, 'a') });
    let bytesRead = 0;
    const counting = {
      ...fs,
      readSync: (...args: Parameters<typeof fs.readSync>) => {
        const count = fs.readSync(...args);
        bytesRead += count;
        return count;
      },
    } as typeof fs;
    const { validate } = await import('../../../src/commands/release/validate.ts');
    const deps = { io: { fs: counting }, cwd: folder, stdin: async () => new Uint8Array() };
    const { exitCode, out } = await validate({ files: [], format: 'text' }, deps);
    expect(exitCode).toBe(2);
    expect(out).toContain('TOO_LARGE');
    expect(bytesRead).toBe(0);
  });
});

describe('output', () => {
  test('text output has headline, place, caret, second place and fix; equal findings are one block; no escape bytes', async () => {
    const folder = freshFolder();
    put(folder, {
      'releases/production/kv-gateway.yaml': manifest('production')
        .replace('ref:', 'ref: a\n    reff:')
        .replace('    version', '    verzion: x\n    version'),
    });
    const { out } = await run(folder);
    expect(out).toBe(`✖ UNKNOWN_KEY  Unknown key "verzion". Did you mean "version"?
  at   releases/production/kv-gateway.yaml:8:5
    8 │     verzion: x
      │     ^^^^^^^
  fix  Rename it to version, or remove it.

✖ UNKNOWN_KEY  Unknown key "reff". Did you mean "ref"?
  at   releases/production/kv-gateway.yaml:14:5
   14 │     reff: green
      │     ^^^^
  fix  Rename it to ref, or remove it.

1 manifest, 0 configs: 2 findings
`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape byte is what is looked for.
    expect((await run(folder, { colour: true })).out).toMatch(/\u001b\[31m/);
  });

  test('json output is one document with the exit code and counts', async () => {
    const folder = freshFolder();
    put(folder, { 'releases/production/kv-gateway.yaml': manifest('production') });
    const { out } = await run(folder, { format: 'json' });
    expect(JSON.parse(out)).toEqual({
      type: 'validation',
      schema: 'kvdeploy.dev/validation/v1',
      ok: true,
      exitCode: 0,
      manifests: 1,
      configs: 0,
      findings: [],
    });
  });

  test('github output is at most ten errors, then one notice with the number left out', async () => {
    const folder = freshFolder();
    const keys = Array.from({ length: 13 }, (_, index) => `zz${index}: 1\n`).join('');
    put(folder, { 'releases/production/kv-gateway.yaml': manifest('production') + keys });
    const lines = (await run(folder, { format: 'github' })).out.trimEnd().split('\n');
    expect(lines.filter((line) => line.startsWith('::error '))).toHaveLength(10);
    expect(lines[0]).toBe(
      '::error file=releases/production/kv-gateway.yaml,line=13,col=1,title=UNKNOWN_KEY::Unknown key "zz0".%0AFix: Remove it. Known here: apiVersion, kind, tenant, environment, service, builds.',
    );
    expect(lines[10]).toMatch(/^::notice title=kvdeploy::3 more findings /);
    expect(lines).toHaveLength(12);
  });

  test('text from a manifest, or the name of one, never starts a workflow command of its own', async () => {
    const folder = freshFolder();
    const evil = '"x\\n::add-mask::production\\r\\n::error::%0A::stop-commands::t": 1\n';
    put(folder, {
      'releases/production/kv-gateway.yaml': manifest('production') + evil,
      'releases/a,line=1::error::b\n::add-mask::c.yaml': 'a: [\n',
    });
    for (const format of ['github', 'text'] as const) {
      const { out } = await run(folder, { format });
      const commands = out.split(/[\r\n]+/).filter((line) => line.trimStart().startsWith('::'));
      expect(
        commands.every(
          (line) =>
            /^::error file=releases\/[^:]*::(?!.*::error::)/.test(line) ||
            line.startsWith('::error file=releases/production/kv-gateway.yaml,line=13'),
        ),
      ).toBe(true);
      expect(commands).toHaveLength(format === 'github' ? 2 : 0);
    }
  });

  test('nothing that a file holds reaches the terminal raw', async () => {
    const folder = freshFolder();
    put(folder, {
      'releases/production/kv-gateway.yaml': `${manifest('production')}"a\\e]52;c;AAAA\\a\\u202e\\u200bb": 1\n`,
      'releases/production/raw.yaml': 'a: \u001b[2J\u202e\n',
    });
    const { out } = await run(folder);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there.
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e]/);
    expect(out).toContain('\\u{1b}]52;c;AAAA\\u{7}\\u{202e}\\u{200b}b');
  });
});
