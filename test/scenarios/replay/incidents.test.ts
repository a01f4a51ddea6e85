/** The incidents as data, and the page that shows them: docs/incidents.md is made from them (`npx vitest -u` writes it again). */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT_OF } from '../../../src/base/codes.ts';
import { controlCells, controlsOf } from '../../../src/scenarios/replay/controls.ts';
import { INCIDENT_NAMES, scenarioOf } from '../../../src/scenarios/replay/incidents.ts';
import { locksAlone } from '../../../src/scenarios/replay/locks.ts';
import type { PlayedRow } from '../../../src/scenarios/replay/play.ts';
import type { Act, Row, Scenario } from '../../../src/scenarios/replay/scenario.ts';

const PAGE = join(import.meta.dirname, '../..', '..', 'docs', 'incidents.md');

describe.each(INCIDENT_NAMES)('the incident %s', (name) => {
  const scenario = scenarioOf(name);
  const acts = scenario.rows.flatMap((row) => row.acts);

  it('names only builds of its cast, each with a GUID, a sequence and a place of its own', () => {
    const cast = Object.keys(scenario.cast);
    expect(acts.flatMap(namedIn).filter((one) => !cast.includes(one))).toEqual([]);
    for (const key of ['guid', 'sequence', 'place', 'version'] as const) {
      const values = Object.values(scenario.cast).map((member) => member[key]);
      expect(new Set(values).size).toBe(values.length);
    }
  });

  it('expects of every command an exit code that its code has', () => {
    for (const act of acts) {
      if (act.do !== 'run') continue;
      const known: Readonly<Record<string, number>> = EXIT_OF;
      expect(act.code === null ? 0 : known[act.code], act.args).toBe(act.exit);
    }
  });

  it('shows in every row what kvdeploy does, or says what is not built yet', () => {
    for (const row of scenario.rows) expect(row.acts.length + row.notBuilt.length, row.time).toBeGreaterThan(0);
    const silent = scenario.rows.filter(
      (row) => row.acts.length > 0 && !row.acts.some((act) => 'visitors' in act || act.do === 'run'),
    );
    expect(silent).toEqual([]);
  });
});

describe('the page of the incidents', () => {
  it('says what the scenarios say', async () => {
    await expect(pageOf(INCIDENT_NAMES.map(scenarioOf))).toMatchFileSnapshot(PAGE);
  });
});

/** Every name of the cast that an act uses. */
function namedIn(act: Act): readonly string[] {
  const args = 'args' in act ? [...act.args.matchAll(/@([a-z-]+)/g)].map((found) => found[1] ?? '') : [];
  const seen =
    act.do === 'run' || act.do === 'look' ? [...Object.keys(act.visitors ?? {}), ...Object.keys(act.reached ?? {})] : [];
  const own =
    act.do === 'exchange'
      ? [act.at, act.binary]
      : act.do === 'list'
        ? act.builds
        : act.do === 'route'
          ? Object.keys(act.split)
          : act.do === 'begin'
            ? [act.until]
            : [];
  return [...args, ...seen, ...own];
}

function pageOf(scenarios: readonly Scenario[]): string {
  const parts = [
    '# The incidents, replayed',
    [
      'kvdeploy exists because of two incidents that were described in public with rare honesty. Both can be replayed, in half a minute each:',
      'real HTTP requests, the real commands, only on 127.0.0.1, nothing left behind.',
    ].join('\n'),
    [
      '<!-- tested by test/scenarios/replay/replay.deep.test.ts -->',
      '```sh',
      ...scenarios.map(({ incident }) => `kvdeploy replay ${incident}`),
      '```',
    ].join('\n'),
    [
      'On the left stands what happened and what is done to the local world, on the right what kvdeploy really did: its exit code and code, the',
      'GUIDs that visitors were answered with, the counters of the router, the bytes on disk. A row that ends differently ends the replay with 1.',
      '`--json` gives all of it as one document, `--keep` leaves the folder. Rows that need something that is not built yet say so.',
    ].join('\n'),
    ...scenarios.flatMap(incidentOf),
  ];
  return `${parts.join('\n\n')}\n`;
}

function incidentOf(scenario: Scenario): readonly string[] {
  const { incident, title, source, rows, locks } = scenario;
  const minutes = rows.map((row) => [row.time, row.happened, row.must, shownBy(row)]);
  const head = [`## ${incident}: ${title}`, `Told by its owners: <${source}>. Times are UTC.`];
  const story = table([['time', 'what happened', 'what kvdeploy must do', 'shown by'], ...minutes]);
  if (!locks) return [...head, story];
  return [
    ...head,
    story,
    [
      'Each control stops it alone. The locks of admission are turned one at a time on the core, where no traffic is; without any of them the',
      'same build would get a share of production. The others are shown on real traffic, in a world that blinds every control before them. No flag',
      'of kvdeploy turns any of them off.',
    ].join('\n'),
    table(controlCells(controlsOf(locksAlone(scenario), rows.map(asItMust)))),
  ];
}

/** Commands and ends, as the replay insists on them. */
function shownBy(row: Row): string {
  const commands = row.acts.flatMap((act) => {
    if (act.do === 'begin') return [`\`${act.args.split(' ', 1)[0]} … &\``];
    return act.do === 'run'
      ? [`\`${act.args.split(' --', 1)[0]}\`${options(act.args)} → ${act.exit}${act.code === null ? '' : ` ${act.code}`}`]
      : [];
  });
  const missing = row.notBuilt.map((capability) => `*not built yet: ${capability}*`);
  const looks = commands.length === 0 && row.acts.length > 0 ? ['visitors, and the bytes on disk'] : [];
  return [...commands, ...looks, ...missing].join('<br>');
}

function options(args: string): string {
  return args.includes('--break-glass') ? ' `--break-glass`' : '';
}

function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The row as if it had just been played and ended as it must. */
function asItMust(row: Row): PlayedRow {
  const { time, control = null, approach = null, happened, must, notBuilt } = row;
  const acts = row.acts.flatMap((act) =>
    act.do === 'run'
      ? [
          {
            happened: null,
            command: act.args,
            exit: act.exit,
            code: act.code,
            message: '',
            seconds: 0,
            seen: [],
            differences: [],
          },
        ]
      : [],
  );
  return { time, control, approach, happened, must, notBuilt, acts, ended: 'as it must' };
}
