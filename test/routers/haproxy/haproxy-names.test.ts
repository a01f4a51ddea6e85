/** Servers whose names do not resolve any more, as HAProxy 2.6.12 reports them: members that are down, never a moved split or no backend. */
import { expect, it } from 'vitest';
import type { Io } from '../../../src/io.ts';
import { haproxy } from '../../../src/routers/haproxy/haproxy.ts';
import type { HaproxyConfig } from '../../../src/routers/haproxy/haproxy-config.ts';
import { readingOf } from '../readings.ts';

interface Slot {
  readonly name: string;
  readonly address?: string;
  /** `srv_admin_state`: 32 is maintenance by name resolution, 33 also by a person. */
  readonly admin?: number;
  /** How often it was chosen. */
  readonly chosen?: number;
}

async function read(slots: readonly Slot[], places: unknown) {
  const columns =
    'be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_agent_state srv_port';
  const states = slots.map(({ name, address, admin = address === undefined ? 32 : 0 }, at) =>
    ['3 gw', at + 1, name, address ?? '-', admin === 0 ? 2 : 0, admin, 50, 100, 0, 80].join(' '),
  );
  const stats = slots.map(
    ({ name, address, chosen = 9 }) => `gw,${name},${chosen},${address === undefined ? 'MAINT (resolution)' : 'UP'},0,`,
  );
  const table = ['# pxname,svname,stot,status,bck,algo', ...stats, 'gw,BACKEND,9,UP,0,roundrobin'];
  const answer = ['admin', '', '1', `# ${columns}`, ...states, '', ...table, ''].join('\n');
  const config = haproxy.config.parse({ sockets: ['/a.sock'], backend: 'gw', places }) as HaproxyConfig;
  const io = { socket: async () => answer, fs: {} } as unknown as Io;
  return haproxy.read(config, io, readingOf([], { certainty: 'configured' }));
}

const PATTERNS = { blue: { servers: 'b*' }, green: { servers: 'g*' } };
const sharesOf = ({ places }: Awaited<ReturnType<typeof read>>) =>
  places.map(({ place, percent, realPercent, up }) => ({ place, percent, realPercent, up }));

it('a DNS outage leaves the split readable: every member keeps its weight, and is down', async () => {
  const reading = await read([{ name: 'b1' }, { name: 'g1' }], PATTERNS);
  expect(sharesOf(reading)).toEqual([
    { place: 'blue', percent: 50, realPercent: 0, up: false },
    { place: 'green', percent: 50, realPercent: 0, up: false },
  ]);
  expect(reading.trouble).toContainEqual(expect.stringContaining('reports g1 as MAINT (resolution)'));
});

it('one place whose name does not resolve any more is down, and no moved split', async () => {
  const reading = await read([{ name: 'b1', address: '10.0.0.1' }, { name: 'g1' }, { name: 'g2' }], PATTERNS);
  expect(sharesOf(reading)).toEqual([
    { place: 'blue', percent: expect.closeTo(33.3, 1), realPercent: 100, up: true },
    { place: 'green', percent: expect.closeTo(66.7, 1), realPercent: 0, up: false },
  ]);
});

it('slots of a template that lost their addresses to fewer members are spare, as long as others have one', async () => {
  const reading = await read(
    [{ name: 'b1', address: '10.0.0.1' }, { name: 'g1', address: '10.0.0.2' }, { name: 'g2' }],
    PATTERNS,
  );
  expect(reading.locations[0]?.members.map(({ name }) => name)).toEqual(['b1', 'g1']);
});

it('a member that places lists by name is down without an address, not spare', async () => {
  const places = { blue: ['b1'], green: ['g1', 'g2'] };
  const reading = await read([{ name: 'b1', address: '10.0.0.1' }, { name: 'g1', address: '10.0.0.2' }, { name: 'g2' }], places);
  expect(reading.locations[0]?.members.map(({ name, up }) => [name, up])).toEqual([
    ['b1', true],
    ['g1', true],
    ['g2', false],
  ]);
});

it('a slot that never took a request, or that a person put into maintenance, is spare without an address', async () => {
  const slots = [
    { name: 'b1', address: '10.0.0.1' },
    { name: 'g1', chosen: 0 },
    { name: 'g2', admin: 33 },
  ];
  expect((await read(slots, PATTERNS)).locations[0]?.members.map(({ name }) => name)).toEqual(['b1']);
});

it('a backend of which no name resolves, and nothing ever served, says that names are the cause', async () => {
  await expect(read([{ name: 'b1', chosen: 0 }], PATTERNS)).rejects.toMatchObject({
    message: expect.stringContaining('no name of them resolves'),
    hint: expect.stringContaining('resolvers'),
  });
});
