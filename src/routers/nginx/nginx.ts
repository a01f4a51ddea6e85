/** nginx by one include that kvdeploy owns, at one host or several. Must not believe an exit code: what serves is what the workers answer. */
import type { Change, Check } from '../../base/changes/change.ts';
import type { Io } from '../../io.ts';
import { apart, eachOf } from '../each-location.ts';
import { atOf, hostsIn, isHere, locationNames } from '../locations-config.ts';
import { MAIN, placesOf, seen } from '../places.ts';
import { placeSettingsOf } from '../places-config.ts';
import { type LocationSplit, markFile, type Reading, type Router } from '../router.ts';
import { ANSWERS, includeOf, type NginxConfig, nginxConfig, RUN_MS, SETTLE_MS, TIMEOUT_MS } from './nginx-config.ts';
import { generationOf, includeText, tooFine } from './nginx-include.ts';

/** Only what asks nginx needs it: no start, and nothing that only checks files. */
const asking = () => import('./nginx-read.ts');

/** Implements the Router port; see there for what each function must do. Set-up and measurements: docs/nginx.md. */
export const nginx: Router<NginxConfig> = {
  kind: 'nginx',
  summary: 'nginx by an include of its own: split_clients over one upstream block per place',
  promises: {
    granularity: '0.01 %, exact; 0 % is a line left out',
    readBack: '*configured* by what the workers answer on fresh connections, *served* by the access log',
    identity: 'every server in the config',
    fencing: 'none: a runner that was frozen may still write; the next reading shows it',
    sticky: 'by the key of the split; clients with open connections stay for `worker_shutdown_timeout`',
    breakGlass: 'write access to the include, and the right to test and reload',
    hosts: 'this one, or several over SSH',
  },
  config: nginxConfig,
  targets: (config) => {
    const hosts = hostsIn(config.locations);
    const where = locationNames(config.locations, MAIN).map((name) => hosts[name]?.ssh);
    return where.map((host) => `nginx include ${host === undefined ? '' : `${host}:`}${includeOf(config)}`);
  },
  // Those of other hosts are listed there.
  programs: ({ test, reload, dump, locations }) => (isHere(locations) ? [test, reload, dump] : []),
  impossible: (_config, { unusable }, percent) =>
    unusable?.why ?? (tooFine(percent) ? `nginx splits in steps of 0.01 %, so it cannot set exactly ${percent} %` : undefined),
  locations: ({ locations }) => locationNames(locations, MAIN),
  hosts: ({ locations }) => hostsIn(locations),
  placeSettings: ({ places }) => placeSettingsOf(places),
  changes,
  checks,
  read,
  identify: async (config, io) => {
    const { environmentAt } = await asking();
    const { answered } = await eachOf(locationNames(config.locations, MAIN), (name) => environmentAt(config, name, io));
    return [...new Set(answered.filter((one) => one !== undefined))];
  },
  questions: ({ probe, locations }) =>
    locationNames(locations, MAIN).map((name) => ({
      ...{ kind: 'http', url: probe, json: ['environment'], timeoutMs: TIMEOUT_MS },
      ...atOf(locations, name),
    })),
  marks: (config) => (isHere(config.locations) ? [markFile(includeOf(config))] : []),
  // Whoever reads the file when it is renamed into place reads all of it.
  idleTimeoutMs: 0,
};

/** The test comes before the reload: a configuration that does not load would leave nginx down at its next start. */
function changes(config: NginxConfig, wanted: readonly LocationSplit[]): readonly Change[] {
  return wanted.flatMap(({ location, split }): Change[] => {
    const at = atOf(config.locations, location);
    return [
      { kind: 'write-file', path: includeOf(config), content: includeText(config, split), ...at },
      { kind: 'run', argv: config.test, timeoutMs: RUN_MS, ...at },
      { kind: 'run', argv: config.reload, timeoutMs: RUN_MS, ...at },
    ];
  });
}

function checks(config: NginxConfig, wanted: readonly LocationSplit[]): readonly Check[] {
  return wanted.flatMap(({ location, split }): Check[] => {
    const at = atOf(config.locations, location);
    return [
      { kind: 'file', path: includeOf(config), content: includeText(config, split), ...at },
      {
        ...{ kind: 'http', url: config.probe, json: ['generation'], equals: generationOf(config, split) },
        ...{ times: ANSWERS, settleMs: SETTLE_MS, timeoutMs: TIMEOUT_MS, ...at },
      },
    ];
  });
}

async function read(config: NginxConfig, io: Io, since?: Reading): Promise<Reading> {
  const { readAt } = await asking();
  const names = locationNames(config.locations, MAIN);
  const { answered, unseen } = await eachOf(names, async (name) => ({
    name,
    ...(await readAt(config, name, io, since === undefined)),
  }));
  const locations = answered.map(({ name, members }) => ({ name, members }));
  const places = placesOf(locations);
  const trouble = [
    ...apart(answered.map(({ name, generation }) => ({ name, split: generation }))),
    ...answered.flatMap((one) => one.trouble),
    ...unseen.map(({ why }) => why),
  ];
  const setups = answered.map(({ setup }) => setup);
  const unusable = setups.map((one) => one.unusable).find((one) => one !== undefined);
  const sticky = setups.map((one) => one.sticky).find((one) => one !== undefined);
  const doubts = [...new Set(setups.flatMap((one) => one.doubts))];
  return {
    locations,
    places,
    certainty: trouble.length === 0 && seen(places, since) ? 'served' : 'configured',
    trouble,
    ...(unusable === undefined ? {} : { unusable }),
    ...(unseen.length === 0 ? {} : { unseen }),
    ...(sticky === undefined ? {} : { sticky }),
    ...(doubts.length === 0 ? {} : { doubts }),
  };
}
