/** The README's own build on the embedded router, in a folder of its own: where blocks of the documentation are run as they stand. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { freePort } from '../servers/program.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The fenced block after `<!-- name -->` of a page. */
export function block(name: string, page = 'README.md'): string {
  const text = readFileSync(join(root, page), 'utf8');
  const found = new RegExp(`<!-- ${name.replace(/[.]/g, '\\.')} -->\\n\`\`\`\\w*\\n([\\s\\S]*?)\\n\`\`\``).exec(text)?.[1];
  if (found === undefined) throw new Error(`${page} has no block ${name}`);
  return `${found}\n`;
}

const FILES = ['build.mjs', 'kvdeploy.config.yaml', 'releases/production/hello.yaml'];

/** A folder with the README's files on ports of its own, and `kvdeploy` on the PATH. */
export class Walk {
  readonly home = mkdtempSync(join(tmpdir(), 'kvd-readme-'));
  readonly folder = join(this.home, 'work');
  readonly #ports = new Map<string, number>();

  async begin(change: (text: string) => string = (text) => text): Promise<void> {
    for (const port of ['8080', '9001', '9002']) this.#ports.set(port, await freePort());
    for (const name of FILES) {
      mkdirSync(dirname(join(this.folder, name)), { recursive: true });
      writeFileSync(join(this.folder, name), change(this.here(block(`file: ${name}`))));
    }
    mkdirSync(join(this.home, 'tmp'));
    mkdirSync(join(this.home, 'bin'));
    this.program('kvdeploy', `exec "${process.execPath}" "${root}/bin/kvdeploy.js" "$@"`);
  }

  /** The README's ports and /tmp belong to the reader; here several tests run at once. */
  here(text: string): string {
    const port = (found: string) => String(this.#ports.get(found));
    return text.replace(/\b(8080|9001|9002)\b/g, port).replace(/\/tmp\b/g, join(this.home, 'tmp'));
  }

  program(name: string, script: string): void {
    writeFileSync(join(this.home, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  get env(): Record<string, string> {
    return { PATH: `${this.home}/bin:${process.env['PATH'] ?? ''}`, HOME: this.home, KVDEPLOY_NO_INPUT: '1' };
  }

  /** Runs a block in the folder and returns all that it printed; programs in the background go on and are remembered. */
  run(name: string, more: Record<string, string> = {}): string {
    return this.runText(block(name), more);
  }

  /** The same for a text that stands elsewhere. */
  runText(text: string, more: Record<string, string> = {}): string {
    return this.shell(this.here(text).replace(/&$/gm, `>>"${this.home}/log" 2>&1 & echo $! >> "${this.home}/pids"`), more);
  }

  shell(script: string, more: Record<string, string> = {}): string {
    const options = { cwd: this.folder, env: { ...this.env, ...more }, encoding: 'utf8', timeout: 60_000 } as const;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', `set -e\n${script}`], options);
    expect(status, `${script}\n${stdout}\n${stderr}`).toBe(0);
    return `${stdout}\n${stderr}`;
  }

  ask(url: string): string | undefined {
    const { status, stdout } = spawnSync('curl', ['-sf', this.here(url)], { encoding: 'utf8' });
    return status === 0 ? stdout : undefined;
  }

  async answers(url: string): Promise<void> {
    await this.says(url, '');
  }

  /** Waits until there is an answer with this text. */
  async says(url: string, text: string): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      if (this.ask(url)?.includes(text)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${url} does not answer ${text}: ${this.ask(url)}`);
  }

  end(): void {
    spawnSync('sh', ['-c', 'kill $(cat pids) 2>/dev/null'], { cwd: this.home });
    rmSync(this.home, { recursive: true, force: true });
  }
}
