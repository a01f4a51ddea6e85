/** The README's walk-through, run block by block in an empty folder as a newcomer would. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** A folder with the README's files on ports of its own, and `kvdeploy` on the PATH. */
class Walk {
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
    return this.shell(this.here(block(name)).replace(/&$/gm, `>>"${this.home}/log" 2>&1 & echo $! >> "${this.home}/pids"`), more);
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
    for (let tries = 0; tries < 200; tries += 1) {
      if (this.ask(url) !== undefined) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${url} does not answer`);
  }

  end(): void {
    spawnSync('sh', ['-c', 'kill $(cat pids) 2>/dev/null'], { cwd: this.home });
    rmSync(this.home, { recursive: true, force: true });
  }
}

describe('the walk-through of the README', () => {
  const walk = new Walk();
  beforeAll(() => walk.begin());
  afterAll(() => walk.end());

  it('promotes a build, goes back, breaks the glass and reconciles', { timeout: 120_000 }, async () => {
    walk.run('run: start');
    await walk.answers('http://127.0.0.1:8080/');
    await walk.answers('http://127.0.0.1:9002/');
    expect(walk.run('run: promote')).toContain('hello from 22222222-2222-4222-8222-222222222222');
    expect(walk.run('run: rollback')).toContain('22222222');
    expect(walk.run('run: break-glass')).toContain('back on build 11111111');
    expect(walk.run('run: reconcile')).toContain('hold is lifted');
    expect(walk.ask('http://127.0.0.1:8080/')).toContain('hello from 11111111');
  });
});

describe('the CI recipe of the README', () => {
  const walk = new Walk();
  beforeAll(() => walk.begin((text) => text.replaceAll('bake: 3s', 'bake: 1s')));
  afterAll(() => walk.end());

  /** A real sshd on loopback for this one user and one key; `ssh` on the PATH knows it as deploy-host. */
  async function startSshd(): Promise<void> {
    const port = await freePort();
    const at = (name: string) => join(walk.home, name);
    for (const key of ['host', 'user']) walk.shell(`ssh-keygen -q -t ed25519 -N '' -f "${at(key)}"`);
    walk.shell(`cp "${at('user.pub')}" "${at('authorized')}"; mkdir -p /run/sshd 2>/dev/null || true`);
    const set = Object.entries(walk.env).map(([name, value]) => `${name}="${value}"`);
    writeFileSync(
      at('sshd_config'),
      `Port ${port}\nListenAddress 127.0.0.1\nHostKey ${at('host')}\nAuthorizedKeysFile ${at('authorized')}\nPidFile ${at('sshd.pid')}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv ${set.join(' ')}\n`,
    );
    writeFileSync(
      at('ssh_config'),
      `Host deploy-host\n  HostName 127.0.0.1\n  Port ${port}\n  IdentityFile ${at('user')}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile ${at('known')}\n  LogLevel ERROR\n`,
    );
    walk.program('ssh', `exec /usr/bin/ssh -F "${at('ssh_config')}" "$@"`);
    walk.shell(
      `/usr/sbin/sshd -f "${at('sshd_config')}" -E "${at('sshd.log')}"; sleep 0; cat "${at('sshd.pid')}" >> "${at('pids')}"`,
    );
  }

  it('promotes over SSH where the state lies', { timeout: 120_000 }, async () => {
    walk.run('run: start');
    await walk.answers('http://127.0.0.1:8080/');
    walk.shell('kvdeploy adopt --env production --confirm production');
    walk.shell(`git init -q --bare "${walk.home}/origin.git"; git init -q -b main; git config user.email a@example.com; git config user.name a
git add kvdeploy.config.yaml releases; git commit -qm "Release"; git remote add origin "${walk.home}/origin.git"; git push -qu origin main`);
    await startSshd();
    const recipe = block('ci').replace('/srv/gateway', walk.folder);
    const printed = walk.shell(recipe, { DEPLOY_HOST: 'deploy-host', BUILD: '22222222' });
    expect(printed).toContain('is the known-good build now');
    expect(walk.ask('http://127.0.0.1:8080/')).toContain('hello from 22222222');
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
