/** Machine files: read as they stand or refused with a reason, never more allowed than was written. */
import { type Machine, parseMachine } from '../../../src/base/owners/machine-format.ts';
import { hostileText, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustPrintSafely } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

const RELOAD = ['/usr/bin/sudo', '-n', '/usr/sbin/nginx', '-s', 'reload'];

const WHOLE = {
  stateOwners: ['kvdeploy', 1001],
  configOwners: [1001],
  programs: [RELOAD],
  targets: {
    'acme/production/web': {
      files: ['/etc/nginx/kvdeploy/web.conf'],
      sockets: ['/run/haproxy/admin.sock', '10.0.0.1:9999'],
      programs: [RELOAD],
      checks: ['https://api.example.com/deployments'],
      requests: [{ method: 'POST', url: 'https://api.example.com/deployments', secret: 'TOKEN', ca: '/etc/ca.pem' }],
    },
  },
  allowedSigners: '/etc/kvdeploy/allowed_signers',
  unsigned: ['acme/staging/*'],
  drill: { warnDays: 30, refuseDays: 90 },
};

const KNOWN = new Set(Object.keys(WHOLE));

/** What is believed is what a plain reader of JSON sees, and nothing of it was left out or repaired. */
function mustBeAsWritten(machine: Machine, text: string): void {
  const plain = JSON.parse(text) as Readonly<Record<string, unknown>>;
  must(JSON.stringify(machine) === JSON.stringify(plain) || sorted(machine) === sorted(plain), 'it was read as something else');
  must(
    Object.keys(plain).every((key) => KNOWN.has(key)),
    'a key that no one knows was passed over',
  );
  for (const [scope, allowed] of Object.entries(machine.targets ?? {})) {
    must(/^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*){2}$/i.test(scope), `a scope that is none: ${scope}`);
    must(
      (allowed.files ?? []).every((path) => path.startsWith('/')),
      'a file without a whole path',
    );
    must(
      [...(allowed.checks ?? []), ...(allowed.requests ?? []).map(({ url }) => url)].every((url) => /^https?:\/\//.test(url)),
      'an address that is none',
    );
  }
}

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

export const machineFiles: Sweep<string> = {
  name: 'machine-files',
  what: 'machine files',
  kind: 'texts',
  share: 0.05,
  make: (luck: Luck) => {
    if (luck.chance(0.02)) return hostileText(luck);
    const text = JSON.stringify(mutated(luck, WHOLE), null, luck.pick([0, 2])) ?? '';
    return luck.chance(0.3) ? damagedText(luck, text) : text;
  },
  judge: (text) => {
    let machine: Machine;
    try {
      machine = parseMachine(text);
    } catch (error) {
      must(error instanceof Error && error.constructor === Error, `not a plain refusal: ${String(error)}`);
      mustPrintSafely([{ type: 'note', level: 'warning', message: error.message }]);
      return 'refused';
    }
    mustBeAsWritten(machine, text);
    return 'read';
  },
  must: ['refused', 'read'],
};
