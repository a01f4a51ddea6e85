/** A checkout with a config of two environments and no state: where CI writes manifests. Must leave nothing behind. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freshFolder } from '../fresh-folder.ts';
import { type CliOptions, runCli } from './run-cli.ts';

export const CONFIG = `apiVersion: kvdeploy.dev/v1
kind: Config
stateDir: state
tenants:
  acme:
    environments:
      staging: { services: { hello: {} } }
      production: { protected: true, services: { hello: {} } }
`;

export const PRODUCTION = 'releases/production/hello.yaml';
export const STAGING = 'releases/staging/hello.yaml';

const HEAD = 'apiVersion: kvdeploy.dev/v1\nkind: ReleaseManifest\ntenant: acme\n';

/** A manifest's text: its head, and `builds` as given. */
export function manifestOf(environment: string, builds: string): string {
  return `${HEAD}environment: ${environment}\nservice: hello\n${builds}`;
}

/** A row in block style. */
export function rowOf(guid: string, sequence: number, ref = 'blue'): string {
  return `  - guid: ${guid}\n    version: 1.${sequence}.0\n    digest: sha256:${'1'.repeat(64)}\n    sequence: ${sequence}\n    createdAt: 2026-11-01T09:00:00Z\n    ref: ${ref}\n`;
}

/** The words of `builds add` for a commit. */
export function adding(
  version: string,
  commit: string,
  more: readonly string[] = [],
  environment = 'production',
): readonly string[] {
  const source = ['--commit', commit, '--repository', 'https://example.com/acme/hello'];
  return ['builds', 'add', '--env', environment, '--version', version, ...source, '--ref', 'green', ...more];
}

export function listingSite(files: Readonly<Record<string, string>> = {}, config = CONFIG) {
  const folder = freshFolder();
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  for (const [name, text] of Object.entries({ '.git/HEAD': '', 'kvdeploy.config.yaml': config, ...files })) put(name, text);
  return {
    folder,
    put,
    read: (name: string) => readFileSync(join(folder, name), 'utf8'),
    /** Every file below releases, its hidden ones too. */
    files: () => {
      const root = join(folder, 'releases');
      const found = existsSync(root) ? readdirSync(root, { recursive: true, withFileTypes: true }) : [];
      return found.filter((each) => !each.isDirectory()).map((each) => each.name);
    },
    run: (args: readonly string[], options: CliOptions = {}) => runCli(args, { cwd: folder, ...options }),
  };
}
