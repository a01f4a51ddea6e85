/** What routers answer: from garbage comes an error or trouble, never a split that does not sum to 100. */
import type { Io } from '../../../src/io.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import { local } from '../../../src/routers/local/local.ts';
import { appliedText, parseRoutes, routesText } from '../../../src/routers/local/local-routes.ts';
import { layoutOf } from '../../../src/routers/places.ts';
import type { Reading } from '../../../src/routers/router.ts';
import { changesOf, checksOf } from '../../routers/readings.ts';
import { hostileText, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeOurs, mustPrintSafely } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

const GUID = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

/** Percentages may be rounded to hundredths; trouble or unusable says that they may mean nothing. */
function mustSumUp({ places, trouble, unusable, certainty }: Reading): string {
  const doubtful = trouble.length > 0 || unusable !== undefined;
  const sum = places.reduce((total, { percent }) => total + percent, 0);
  must(doubtful || Math.abs(sum - 100) < 0.01 * places.length, 'the split does not sum to 100');
  must(doubtful || places.every(({ percent }) => percent >= 0 && percent <= 100.000001), 'a share is no share');
  must(new Set(places.map(({ place }) => place)).size === places.length, 'a place twice');
  must(certainty === 'configured', 'traffic was seen that nobody counted');
  mustPrintSafely([
    ...trouble.map((message) => ({ type: 'note' as const, level: 'warning' as const, message })),
    {
      type: 'traffic',
      at: '2026-11-21T10:00:00Z',
      traffic: { certainty, split: places.map(({ place, percent }) => ({ build: null, place, percent })) },
    },
  ]);
  return doubtful ? 'trouble' : 'split';
}

/** Members that are up share out what their place gets; one that is down gets nothing unless all are. */
function mustShareOut({ locations, places, trouble }: Reading): void {
  const members = locations.flatMap((location) => location.members);
  for (const { place, percent, realPercent, up } of places) {
    must(trouble.length > 0 || Math.abs(percent - realPercent) < 1e-6, `${place} gets another share than its members`);
    const own = members.filter((member) => member.place === place);
    must(
      own.every((member) => member.up || member.percent === 0 || !up),
      `a member of ${place} is down and gets traffic`,
    );
  }
}

function splitOf(luck: Luck) {
  const green = luck.pick([0, 0.01, 1, 12.34, 50, 99.99, 100]);
  return [
    { place: 'blue', build: luck.chance(0.5) ? GUID : null, percent: Math.round((100 - green) * 100) / 100 },
    { place: 'green', build: null, percent: green },
  ];
}

function routesFile(luck: Luck): string {
  const file = JSON.stringify(mutated(luck, { formatVersion: 1, split: splitOf(luck) }));
  return luck.chance(0.2) ? damagedText(luck, file) : file;
}

export const routesFiles: Sweep<string> = {
  name: 'routes-files',
  what: 'routes files',
  kind: 'objects',
  share: 0.05,
  make: routesFile,
  judge: (text) => {
    const parsed = parseRoutes(text);
    if ('problem' in parsed) {
      mustPrintSafely([{ type: 'note', level: 'warning', message: parsed.problem }]);
      return 'refused';
    }
    const sum = parsed.split.reduce((total, { percent }) => total + percent, 0);
    must(Math.abs(sum - 100) < 1e-6, 'the split does not sum to 100');
    must(new Set(parsed.split.map(({ place }) => place)).size === parsed.split.length, 'a place twice');
    const again = parseRoutes(routesText(parsed.split));
    must('split' in again && appliedText(again.split) === appliedText(parsed.split), 'it changes when it is written again');
    return 'read';
  },
  must: ['refused', 'read'],
};

interface StatusInput {
  /** With `places` in the config. Absent in what was kept before there were any. */
  readonly replicas?: boolean;
  readonly routes: string;
  readonly status: number;
  readonly body: string;
}

const SETTINGS = {
  listen: '127.0.0.1:8080',
  routes: '/r/routes.json',
  addresses: { blue: 'http://127.0.0.1:9001', green: 'http://127.0.0.1:9002' },
};

const PLACES = {
  blue: ['http://127.0.0.1:9001', 'http://127.0.0.1:9011', 'http://127.0.0.1:9021'],
  green: { urls: ['http://127.0.0.1:9002', 'http://127.0.0.1:9012'], minUp: 1 },
};

const URLS = { blue: PLACES.blue, green: PLACES.green.urls };

/** Every member as serve tells it, some of them down. */
function membersOf(luck: Luck) {
  return Object.entries(URLS).flatMap(([place, urls]) =>
    urls.map((url) => ({
      name: new URL(url).host,
      place,
      url,
      up: luck.chance(0.8),
      served: luck.below(9),
      answered: { 200: luck.below(9) },
    })),
  );
}

/** An outside that answers so, and nothing else. */
function answering(answers: { readonly http?: StatusInput; readonly socket?: string; readonly file?: string }): Io {
  return {
    http: async () => ({ status: answers.http?.status ?? 500, headers: {}, body: answers.http?.body ?? '' }),
    socket: async () => answers.socket ?? '',
    fs: { readFileSync: () => answers.file ?? '', existsSync: () => true },
  } as unknown as Io;
}

export const serveStatus: Sweep<StatusInput> = {
  name: 'serve-status',
  what: 'answers of kvdeploy serve',
  kind: 'objects',
  share: 0.05,
  make: (luck) => {
    const split = splitOf(luck);
    const good = {
      formatVersion: 1,
      scope: { tenant: 'acme', environment: 'production', service: 'web' },
      routes: SETTINGS.routes,
    };
    const rest = {
      addresses: SETTINGS.addresses,
      applied: appliedText(split),
      split,
      served: { blue: 5 },
      servedByBuild: {},
      problem: null,
    };
    const replicas = luck.chance(0.5);
    const lists = Object.fromEntries(Object.entries(URLS).map(([place, urls]) => [place, urls.join(', ')]));
    const more = luck.chance(replicas ? 0.9 : 0.1) ? { addresses: lists, members: membersOf(luck) } : {};
    const body = JSON.stringify(mutated(luck, { ...good, ...rest, ...more }));
    const routes = luck.chance(0.8) ? JSON.stringify({ formatVersion: 1, split }) : routesFile(luck);
    return { replicas, routes, status: luck.chance(0.97) ? 200 : 503, body: luck.chance(0.1) ? damagedText(luck, body) : body };
  },
  judge: async (input) => {
    const io = answering({ http: input, file: input.routes });
    const { listen, routes } = SETTINGS;
    const settings = input.replicas === true ? { listen, routes, places: PLACES } : SETTINGS;
    try {
      await local.identify(settings, io);
      const reading = await local.read(settings, io);
      mustShareOut(reading);
      return mustSumUp(reading);
    } catch (error) {
      mustBeOurs(error);
      return 'refused';
    }
  },
  must: ['refused', 'trouble', 'split'],
};

const STATE_HEAD =
  '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_agent_state srv_time_since_last_change srv_port srv_use_ssl';
const STAT_HEAD = '# pxname,svname,stot,status,bck,throttle,mode,algo,';

interface Told {
  readonly name: string;
  readonly admin: number;
  readonly op: number;
  readonly weight: number;
}

function haproxyAnswer(luck: Luck, servers: readonly Told[]): string {
  const states = servers.map(
    (one, index) => `3 gw ${index + 1} ${one.name} 127.0.0.1 ${one.op} ${one.admin} ${one.weight} 1 0 5 900${index} -`,
  );
  const stats = servers.map((one) => `gw,${one.name},${luck.below(500)},UP,0,,http,,`);
  return ['admin', '', '1', STATE_HEAD, ...states, '', STAT_HEAD, ...stats, 'gw,BACKEND,9,UP,0,,http,roundrobin,', ''].join('\n');
}

/** Lines as HAProxy has them, then damaged: cells out of the pool, lines twice or gone. */
export const haproxyAnswers: Sweep<readonly string[]> = {
  name: 'haproxy-answers',
  what: 'answers of one or two HAProxies',
  kind: 'objects',
  share: 0.05,
  make: (luck) => {
    const green = luck.pick([0, 1, 50, 256, 999_999_999_999_999]);
    const servers: Told[] = [
      { name: 'blue', admin: luck.pick([0, 0, 4, 8]), op: 2, weight: 100 },
      { name: 'green', admin: green === 0 ? 1 : 0, op: luck.pick([2, 2, 0]), weight: green },
    ];
    if (luck.chance(0.4))
      for (const name of ['green-2', 'green-3', 'blue-2'].slice(luck.below(3)))
        servers.push({ name, admin: luck.pick([0, 0, 1, 8]), op: luck.pick([2, 2, 0]), weight: name === 'blue-2' ? 100 : green });
    if (luck.chance(0.1))
      servers.push({ name: luck.pick(['blue', '__proto__', 'constructor', 'x;y', 'a/b', '']), admin: 0, op: 2, weight: 5 });
    const whole = haproxyAnswer(luck, servers);
    const one = () => (luck.chance(0.5) ? whole : changedCell(luck, luck.chance(0.5) ? whole : damagedText(luck, whole)));
    return luck.chance(0.7) ? [one()] : [one(), one()];
  },
  judge: async (answers) => {
    if (answers.length === 0) return 'refused';
    const sockets = answers.map((_, index) => `/run/${index}.sock`);
    const settings = { sockets, backend: 'gw', identify: 'description', balance: 'dynamic', ...placesFor(answers) } as const;
    const io: Io = { ...answering({}), socket: async (address) => answers[sockets.indexOf(address)] ?? '' };
    try {
      const words = await haproxy.identify(settings, io);
      must(
        words.every((word) => /^[a-z0-9-]+$/.test(word)),
        'the target was called by no name',
      );
      const reading = await haproxy.read(settings, io);
      if (reading.unusable === undefined) mustCommandSafely(settings, reading);
      return mustSumUp(reading);
    } catch (error) {
      mustBeOurs(error);
      return 'refused';
    }
  },
  must: ['refused', 'trouble', 'split'],
};

/** Half of the answers are read with places, so that some servers belong to none. */
function placesFor(answers: readonly string[]) {
  const isHalf = answers.join('').length % 2 === 0;
  return isHalf ? {} : { places: { blue: ['blue', 'blue-2'], green: { servers: 'gr*' } } };
}

function changedCell(luck: Luck, text: string): string {
  const cells = text.split(/(?<=[ ,\n])/);
  const at = luck.below(cells.length);
  return cells
    .with(at, `${luck.pick(['0', '-1', '1e3', '99999999999999999999', 'NaN', '"', '""', '', hostileText(luck)])} `)
    .join('');
}

/** Names from an answer go into commands: each stays one command about one server of this backend, and every member has its own. */
function mustCommandSafely(settings: Parameters<typeof haproxy.changes>[0], reading: Reading): void {
  const split = reading.places.map(({ place }, index) => ({ place, build: null, percent: index === 0 ? 100 : 0 }));
  const layout = layoutOf(reading);
  const changes = changesOf(haproxy, settings, split, { leaving: 'at-once' }, layout);
  const commands = changes.flatMap((change) => (change.kind === 'socket' ? change.commands : []));
  const known = /^(?:set server gw\/[\w.:-]+ (?:weight \d+|state (?:ready|drain|maint))|shutdown sessions server gw\/[\w.:-]+)$/;
  for (const command of commands) must(known.test(command), `an odd command: ${JSON.stringify(command)}`);
  const checks = checksOf(haproxy, settings, split, layout);
  for (const { name } of layout.flatMap(({ members }) => members)) {
    must(
      commands.some((command) => command.includes(` gw/${name} `)),
      'a member was left out',
    );
    const isReadBack = checks.some(
      (one) => one.kind === 'table' && (Object.hasOwn(one.rows, name) || one.groups?.some(({ keys }) => keys.includes(name))),
    );
    must(isReadBack, 'a member is not read back');
  }
}
