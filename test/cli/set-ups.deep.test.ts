/** Common set-ups that no guard may refuse, each walked through with every everyday command and the emergency. Needs root, to become other users. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BLUE, GREEN } from './local-builds.ts';
import { type LocalSite, openLocalSite } from './local-site.ts';
import { BIN } from './run-cli.ts';

/** One way in which people run kvdeploy. */
interface SetUp {
  readonly name: string;
  /** Who runs the commands, and owns state, home and routes. */
  readonly uid: number;
  /** Who owns config and manifests; the one who runs the commands, unless said. */
  readonly checkoutUid?: number;
  /** Added to every command line that reads the config. */
  readonly options?: (site: LocalSite) => string;
  /** The environment in the form `NAME=value`; HOME of the site, unless said. */
  readonly env?: (site: LocalSite) => readonly string[];
  /** Run by root in a mount namespace of its own before each command. */
  readonly before?: string;
  readonly prepare?: (site: LocalSite) => void;
}

/** No account entry exists for these. */
const CONTAINER = 12345;
const OTHER = 23456;
const NOBODY = 65534;

const SET_UPS: readonly SetUp[] = [
  { name: 'root', uid: 0 },
  { name: 'an account that is not root', uid: NOBODY },
  { name: 'a container uid without account entry, HOME and USER', uid: CONTAINER, env: () => [] },
  { name: 'a container uid whose HOME is the root folder', uid: CONTAINER, env: () => ['HOME=/'] },
  {
    name: 'a checkout of another uid that is named by -c',
    uid: CONTAINER,
    checkoutUid: OTHER,
    options: (site) => `-c ${join(site.checkout, 'kvdeploy.config.yaml')}`,
  },
  {
    name: 'a checkout of another uid that the own machine file lists',
    uid: CONTAINER,
    checkoutUid: OTHER,
    prepare: ({ home }) => {
      const dir = join(home, '.config/kvdeploy');
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'machine.json'), JSON.stringify({ configOwners: [OTHER] }));
      chmodSync(join(dir, 'machine.json'), 0o600);
    },
  },
  { name: 'a checkout of root', uid: CONTAINER, checkoutUid: 0 },
  {
    name: 'root in the checkout of the user who called sudo',
    uid: 0,
    checkoutUid: OTHER,
    env: ({ home }) => [`HOME=${home}`, `SUDO_UID=${OTHER}`],
  },
  { name: 'a machine without /proc', uid: CONTAINER, before: 'mount -t tmpfs none /proc' },
];

/** Each with the exit code that it must end with; `-E` stands for the scope. */
const COMMANDS: readonly (readonly [line: string, exitCode: number])[] = [
  ['validate', 0],
  ['adopt -E --confirm production', 0],
  ['status -E', 0],
  ['builds -E', 0],
  [`plan -E --build ${GREEN.guid}`, 0],
  [`promote -E --build ${GREEN.guid} --confirm production`, 0],
  ['doctor -E', 0],
  ['doctor -E --break-glass', 0],
  ['history -E', 0],
  ['pointer show -E', 0],
  ['pointer verify -E', 0],
  [`rollback -E --to ${BLUE.guid} --confirm production`, 0],
  ['rollback -E --break-glass --confirm production --reason "the drill of every set-up"', 0],
  ['reconcile -E --yes --confirm production --reason "the drill of every set-up"', 0],
  ['status -E', 0],
];

/** It loads a config, so `-c` may stand there. */
const LOADS = /^(?!rollback .*--break-glass)/;

async function commandIn(site: LocalSite, setUp: SetUp, line: string) {
  const { uid, options = () => '', env = ({ home }) => [`HOME=${home}`], before = 'true' } = setUp;
  const emergency = !LOADS.test(line);
  const asUser = `setpriv --reuid=${uid} --regid=${uid} --clear-groups env -i PATH="$PATH" LANG=C.UTF-8 ${env(site).join(' ')}`;
  const words = line.replace(' -E', ' --tenant acme --env production');
  const script = `${asUser} ${process.execPath} "$BIN" ${words} ${emergency ? `--state-dir ${site.stateDir}` : options(site)}`;
  return site.shell(`unshare -m sh -c '${before}; ${script.replaceAll("'", `'\\''`)}'`, { env: { BIN } });
}

describe('common set-ups', () => {
  for (const setUp of SET_UPS)
    it(`${setUp.name}: every command and the emergency work`, { timeout: 120_000 }, async () => {
      const site = await openLocalSite(['production']);
      try {
        setUp.prepare?.(site);
        const ownerIs = (owner: number, path: string) => execFileSync('chown', ['-R', `${owner}:${owner}`, path]);
        ownerIs(setUp.uid, site.folder);
        ownerIs(setUp.checkoutUid ?? setUp.uid, site.checkout);
        for (const [line, exitCode] of COMMANDS) {
          const ran = await commandIn(site, setUp, line);
          expect([line, ran.exitCode], `${ran.stdout}${ran.stderr}`).toEqual([line, exitCode]);
        }
        expect(await site.percent('production', 'blue')).toBe(100);
      } finally {
        await site.close();
      }
    });
});
