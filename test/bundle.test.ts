import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'bin/kvdeploy.js');

interface Output {
  readonly bytes: number;
  readonly entryPoint?: string;
  readonly imports: readonly { readonly path: string; readonly kind: string }[];
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
}

interface Meta {
  readonly outputs: Readonly<Record<string, Output>>;
}

const meta = JSON.parse(readFileSync(join(ROOT, '.cache/metafile.json'), 'utf8')) as { command: Meta; breakGlass: Meta };
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
  scripts: Record<string, string>;
  version: string;
};

/** Everything that is parsed once `entries` are loaded, before any further `import()`. */
function staticClosure(...entries: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const imports = meta.command.outputs[path]?.imports ?? [];
    for (const next of imports) if (next.kind === 'import-statement' && next.path in meta.command.outputs) visit(next.path);
  };
  entries.forEach(visit);
  return seen;
}

function outputOf(entryPoint: string): string {
  const found = Object.entries(meta.command.outputs).find(([, output]) => output.entryPoint === entryPoint);
  if (found === undefined) throw new Error(`${entryPoint} is not loaded by an import() of its own`);
  return found[0];
}

function bytesOf(outputs: ReadonlySet<string>): number {
  return [...outputs].reduce((sum, path) => sum + (meta.command.outputs[path]?.bytes ?? 0), 0);
}

function packagesIn(outputs: ReadonlySet<string>): ReadonlySet<string> {
  const parts = [...outputs].flatMap((path) => Object.entries(meta.command.outputs[path]?.inputs ?? {}));
  const inputs = parts.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([input]) => input);
  const names = inputs.map((input) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules)/.exec(input)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
}

interface Packed {
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

function pack(): Packed {
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8' });
  const answer = JSON.parse(text) as Packed[] | Record<string, Packed>;
  const [packed] = Object.values(answer);
  if (packed === undefined) throw new Error('npm pack says nothing');
  return packed;
}

describe('the bundle stays small', () => {
  const start = staticClosure(outputOf('src/main.ts'));

  test('what every start parses is at most 67 kB, and has none of the heavy libraries', () => {
    expect(bytesOf(start) + statSync(BIN).size).toBeLessThanOrEqual(67_000);
    const heavy = ['zod', 'execa', 'ora', '@inquirer/prompts', '@inquirer/core', 'yaml', 'cosmiconfig', 'http-proxy-3'];
    expect([...packagesIn(start)].filter((name) => heavy.includes(name))).toEqual([]);
  });

  test('what validate parses is at most 487 kB', () => {
    const validate = staticClosure(outputOf('src/main.ts'), outputOf('src/commands/release/validate.ts'));
    // Of these zod and yaml are 206. A prototype without routers, metric sources, gates and a strict scanner had 260 in all;
    // test/bench/start-up.mjs shows what it costs in time.
    expect(bytesOf(validate)).toBeLessThanOrEqual(487_000);
  });

  test('all of dist is at most 1460 kB', () => {
    const sizes = readdirSync(join(ROOT, 'dist')).map((name) => statSync(join(ROOT, 'dist', name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1_460_000);
  });

  test('break-glass is one file of at most 114 kB that imports only what Node brings', () => {
    const outputs = Object.entries(meta.breakGlass.outputs);
    expect(outputs.map(([path]) => path)).toEqual(['dist/break-glass.mjs']);
    const [, output] = outputs[0] as [string, Output];
    expect(output.bytes).toBeLessThanOrEqual(114_000);
    // Some parts of Node are loaded only where they are needed.
    const kinds = ['import-statement', 'dynamic-import'];
    expect(output.imports.filter(({ path, kind }) => !path.startsWith('node:') || !kinds.includes(kind))).toEqual([]);
    expect(Object.keys(output.inputs).filter((input) => !/^src\/(?:base|break-glass)\//.test(input))).toEqual([]);
  });
});

describe('the package', () => {
  test('the package holds bin, dist, schemas and the papers, and nothing else, in at most 532 kB', () => {
    const { files, size } = pack();
    const tops = new Set(files.map(({ path }) => path.split('/')[0]));
    expect(tops).toEqual(new Set(['LICENSE', 'README.md', 'bin', 'dist', 'package.json', 'schemas']));
    expect(files.map(({ path }) => path)).toContain('dist/THIRD-PARTY-NOTICES');
    expect(files.map(({ path }) => path)).toContain('dist/break-glass.mjs');
    expect(size).toBeLessThanOrEqual(532_000);
  });

  test('the package has no runtime dependency and no install script', () => {
    expect(manifest.dependencies).toEqual({});
    const onInstall = ['preinstall', 'install', 'postinstall', 'prepublish'];
    expect(Object.keys(manifest.scripts).filter((name) => onInstall.includes(name))).toEqual([]);
  });

  test('the package gives the licence of every package that it contains', () => {
    const notices = readFileSync(join(ROOT, 'dist/THIRD-PARTY-NOTICES'), 'utf8');
    const missing = [...packagesIn(new Set(Object.keys(meta.command.outputs)))].filter((name) => !notices.includes(`\n${name} `));
    expect(missing).toEqual([]);
  });
});

describe('bin/kvdeploy.js', () => {
  const run = (args: readonly string[], nodeArgs: readonly string[] = []) =>
    spawnSync(process.execPath, [...nodeArgs, BIN, ...args], { encoding: 'utf8', env: { PATH: process.env.PATH } });

  test.each(['--version', '-V'])('bin/kvdeploy.js answers %s alone', (flag) => {
    expect(run([flag])).toMatchObject({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  test('bin/kvdeploy.js has only syntax that Node 12 parses', () => {
    const text = readFileSync(BIN, 'utf8').replace(/^#!.*\n/, '');
    const plain = (target: string) =>
      transformSync(text, { target, format: 'esm', supported: { 'import-meta': true, 'dynamic-import': true } }).code;
    expect(plain('node12.22')).toBe(plain('esnext'));
  });

  test.each(['12.22.12', '18.20.4', '20.18.3'])('bin/kvdeploy.js refuses Node %s, saying what it needs', (version) => {
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
    const { status, stderr } = run(['--version'], ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`]);
    expect(status).toBe(2);
    expect(stderr).toBe(`kvdeploy needs Node >= 20.19; this is Node ${version}.\ntraffic  unchanged\n`);
  });

  /** The files of dist/ that a run loads. */
  const loaded = (args: readonly string[]): readonly string[] => {
    const { stderr } = spawnSync(process.execPath, [BIN, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: '/nonexistent', NODE_DEBUG: 'esm' },
      input: '',
    });
    return [...new Set([...stderr.matchAll(/dist\/([\w.-]+\.m?js)/g)].map((found) => found[1] ?? ''))];
  };

  test.each([
    [['rollback', '--break-glass', '--env', 'x', '--reason', 'y']],
    [['--break-glass', '--env', 'x', 'rollback', '--reason', 'y']],
    [['-e', 'rollback', 'rollback', '--break-glass']],
  ])('bin/kvdeploy.js loads nothing but the break-glass bundle for %j', (args) => {
    expect(loaded(args)).toEqual(['break-glass.mjs']);
  });

  test.each([
    [['rollback', '--', '--break-glass']],
    [['doctor', '--break-glass', '--env', 'rollback']],
    [['help', 'rollback', '--break-glass']],
    [['rollback']],
  ])('bin/kvdeploy.js leaves %j to the command', (args) => {
    expect(loaded(args)).not.toContain('break-glass.mjs');
  });

  test('bin/kvdeploy.js goes on where what it says can be written nowhere, and says so', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [BIN, '--help'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toBe('! Some output of kvdeploy could not be written (ENOSPC).\n');
    expect(status).toBe(0);
  });

  test('bin/kvdeploy.js does not mind a reader that went away', async () => {
    const child = spawn(process.execPath, [BIN, '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(stderr).not.toContain('EPIPE');
    expect(code).toBe(0);
  });
});
