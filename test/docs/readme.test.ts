/** The README's walk-through, run block by block in an empty folder as a newcomer would. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The fenced block after `<!-- name -->`. */
function block(name: string): string {
  const found = new RegExp(`<!-- ${name.replace(/[.]/g, '\\.')} -->\\n\`\`\`\\w*\\n([\\s\\S]*?)\\n\`\`\``).exec(readme)?.[1];
  if (found === undefined) throw new Error(`the README has no block ${name}`);
  return `${found}\n`;
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const FILES = ['build.mjs', 'kvdeploy.config.yaml', 'releases/production/hello.yaml'];

describe('the walk-through of the README', () => {
  let home = '';
  let folder = '';
  let here = (text: string) => text;

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'kvd-readme-'));
    folder = join(home, 'work');
    const ports = new Map<string, number>();
    for (const port of ['8080', '9001', '9002']) ports.set(port, await freePort());
    // The README's ports and /tmp belong to the reader; here several tests run at once.
    here = (text) =>
      text.replace(/\b(8080|9001|9002)\b/g, (port) => String(ports.get(port))).replace(/\/tmp\b/g, join(home, 'tmp'));
    for (const name of FILES) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), here(block(`file: ${name}`)));
    }
    mkdirSync(join(home, 'tmp'));
    mkdirSync(join(home, 'bin'));
    writeFileSync(join(home, 'bin', 'kvdeploy'), `#!/bin/sh\nexec "${process.execPath}" "${root}/bin/kvdeploy.js" "$@"\n`);
    chmodSync(join(home, 'bin', 'kvdeploy'), 0o755);
  });

  afterAll(() => {
    spawnSync('sh', ['-c', 'kill $(cat pids) 2>/dev/null'], { cwd: home });
    rmSync(home, { recursive: true, force: true });
  });

  /** Runs a block in the folder; background programs are remembered, and everything must have answered by the end. */
  function run(name: string): string {
    const text = here(block(name)).replace(/&$/gm, `>>"${home}/log" 2>&1 & echo $! >> "${home}/pids"`);
    const script = `set -e\n${text}`;
    const env = { PATH: `${home}/bin:${process.env['PATH'] ?? ''}`, HOME: home, KVDEPLOY_NO_INPUT: '1' };
    const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, env, encoding: 'utf8', timeout: 60_000 });
    expect(status, `${name}:\n${stdout}\n${stderr}`).toBe(0);
    return `${stdout}\n${stderr}`;
  }

  async function answers(url: string): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      if (spawnSync('curl', ['-sf', url]).status === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${url} does not answer`);
  }

  it('promotes a build, goes back, breaks the glass and reconciles', { timeout: 120_000 }, async () => {
    run('run: start');
    await answers(here('http://127.0.0.1:8080/'));
    await answers(here('http://127.0.0.1:9002/'));
    expect(run('run: promote')).toContain('hello from 22222222-2222-4222-8222-222222222222');
    expect(run('run: rollback')).toContain('22222222');
    expect(run('run: break-glass')).toContain('back on build 11111111');
    expect(run('run: reconcile')).toContain('hold is lifted');
    expect(spawnSync('curl', ['-s', here('http://127.0.0.1:8080/')], { encoding: 'utf8' }).stdout).toContain(
      'hello from 11111111',
    );
  });
});

describe('the texts of the README', () => {
  it('names only commands that exist', () => {
    const help = spawnSync(process.execPath, [join(root, 'bin/kvdeploy.js'), '--help'], { encoding: 'utf8' }).stdout;
    const named = [...readme.matchAll(/kvdeploy (?!stands|is\b|runs|can|refuses|drives)([a-z]+)\b/g)].map(
      (found) => found[1] ?? '',
    );
    const commands = new Set([...help.matchAll(/^ {2}([a-z]+) /gm)].map((found) => found[1]));
    expect(named.length).toBeGreaterThan(8);
    expect(
      named.filter(
        (name) =>
          !commands.has(name) &&
          /^(?:demo|validate|builds|plan|promote|resume|abort|rollback|reconcile|adopt|pointer|status|history|serve|schema|init|doctor|drill|kit|login|explain)$/.test(
            name,
          ),
      ),
    ).toEqual([]);
  });

  it('shows the refusal of a foreign build as the demo prints it', () => {
    const demo = spawnSync(process.execPath, [join(root, 'bin/kvdeploy.js'), 'demo', 'wrong-env'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(demo.status, demo.stdout + demo.stderr).toBe(0);
    expect(`${demo.stdout}${demo.stderr}`).toContain(block('output: foreign').trimEnd());
  });
});
