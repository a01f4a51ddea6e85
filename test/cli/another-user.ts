/** A site that another user works in: everything that kvdeploy writes belongs to them, and the program is where they can read it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LocalSite } from './local-site.ts';
import type { CliOptions } from './run-cli.ts';

/** Of nobody who has an account. */
const USER = 1234;

/** Gives the site to that user, and returns how its commands are run as them. Needs root. */
export function givenToAnotherUser(site: LocalSite): CliOptions & { readonly via: readonly string[] } {
  const program = join(site.folder, 'installed/bin/kvdeploy.js');
  for (const name of ['bin', 'dist', 'package.json'])
    cpSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), join(site.folder, 'installed', name), { recursive: true });
  const tmp = join(site.folder, 'tmp');
  mkdirSync(tmp, { recursive: true });
  const theirs = [site.folder, site.checkout, site.home, site.stateDir, tmp, site.routes('production')];
  for (const path of theirs.filter((each) => existsSync(each))) execFileSync('chown', ['-R', `${USER}:${USER}`, path]);
  chmodSync(site.folder, 0o755);
  const via = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'];
  return { program, cwd: site.checkout, env: { TMPDIR: tmp }, via };
}
