/** Detectors for the files of a checkout: what lies in the manifest folder and is not read, and texts of more than one line. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataFilesBelow } from '../../src/config/data-files.ts';
import { derived } from '../../src/core/manifest/build-guid.ts';
import { listedBuildSchema } from '../../src/core/manifest/manifest.ts';
import { nodeIo } from '../../src/io.ts';
import type { Deps } from '../../src/release/deps.ts';
import { givenBy } from '../../src/release/listing/given.ts';
import { takeTurn } from '../../src/release/listing/turn.ts';
import { CANDIDATE, SCOPE, STAGING } from '../core/manifest/builds.ts';

const ODD = ['dangling', 'link.txt', 'old.yaml.bak', 'pipe', 'node_modules/lost.yaml'];

/** Everything that could be a manifest and is not read must be named; what lies next to manifests must not. */
export function oddFiles(): readonly string[] {
  const folder = fs.mkdtempSync(join(tmpdir(), 'kvdeploy-odd-'));
  try {
    for (const name of ['app.yaml', 'old.yaml.bak']) fs.writeFileSync(join(folder, name), 'kind: ReleaseManifest\n');
    for (const name of ['README.md', 'LICENSE', '.gitkeep', 'notes.txt']) fs.writeFileSync(join(folder, name), 'for people\n');
    fs.mkdirSync(join(folder, 'node_modules'));
    fs.writeFileSync(join(folder, 'node_modules/lost.yaml'), 'kind: ReleaseManifest\n');
    fs.symlinkSync('nowhere', join(folder, 'dangling'));
    fs.symlinkSync('app.yaml', join(folder, 'link.txt'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    const { files, findings } = dataFilesBelow(fs, folder, folder);
    const named = findings.map(({ file }) => file);
    return [
      ...ODD.filter((name) => !named.includes(name)).map((name) => `passes over ${name}`),
      ...named.filter((name) => !ODD.includes(name)).map((name) => `complains about ${name}`),
      ...(files.length === 1 ? [] : [`reads ${files.join()}`]),
    ];
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** A version of two lines would look like a line of kvdeploy's own. */
export function lines(): readonly string[] {
  const takes = (version: string) => listedBuildSchema.safeParse({ ...CANDIDATE, version }).success;
  const odd = ['1.2\n✔ verified', '1.2\r3', '1.2\u001b[2K', '1.2\u2028', '1.2\u202e'].filter(takes);
  return [
    ...odd.map((version) => `takes the version ${JSON.stringify(version)}`),
    ...(takes('1.2-β') ? [] : ['refuses a version']),
  ];
}

/** True if a row takes this address of a repository. */
function stores(repository: string): boolean {
  try {
    givenBy({ version: '1', ref: 'green', commit: 'a'.repeat(40), repository }, SCOPE, { cwd: '/', io: nodeIo } as Deps);
    return true;
  } catch {
    return false;
  }
}

/** One commit in two environments must have two GUIDs, and no row a password; a manifest is not written while a living process writes it, nor by two at once. */
export async function listings(): Promise<readonly string[]> {
  const made = { digest: undefined, source: { repository: 'https://example.com/acme', commit: 'a'.repeat(40) } };
  const one = derived(made, SCOPE).guid === derived(made, STAGING).guid;
  const folder = fs.mkdtempSync(join(tmpdir(), 'kvdeploy-turn-'));
  const ticket = join(folder, '.app.yaml.turn-000000000000');
  const tickets = () => fs.readdirSync(folder);
  const put = () => fs.writeFileSync(ticket, JSON.stringify(nodeIo.self()));
  try {
    put();
    let waited = 0;
    const sleep = async () => {
      waited += 1;
      fs.rmSync(ticket, { force: true });
    };
    const io = { ...nodeIo, sleep, lookFor: () => ({ is: 'running' }) as const };
    (await takeTurn(join(folder, 'app.yaml'), io))();
    const first = waited;
    // Another one that looked at the same moment, and puts its ticket down right after this one did.
    const linkSync = (from: fs.PathLike, to: fs.PathLike) => {
      fs.linkSync(from, to);
      if (waited === first) put();
    };
    (await takeTurn(join(folder, 'app.yaml'), { ...io, fs: { ...fs, linkSync } }))();
    return [
      ...(one ? ['gives one GUID to a commit in two environments'] : []),
      ...(stores('https://ci:secret@example.com/acme') ? ['stores a password'] : []),
      ...(stores('https://example.com/acme') ? [] : ['refuses an address']),
      ...(first === 0 ? ['goes on while another process writes'] : []),
      ...(waited === first ? ['lets two go on that looked at once'] : []),
      ...(tickets().length === 0 ? [] : [`leaves ${tickets().join()} behind`]),
    ];
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
