/** The scenarios as data, and the page that shows the incidents: docs/incidents.md is made from them (`npx vitest -u` writes it again). */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT_OF } from '../../src/base/codes.ts';
import { checksAlone } from '../../src/scenarios/checks-alone.ts';
import { demoScenario } from '../../src/scenarios/demo.ts';
import type { PlayedRow } from '../../src/scenarios/player.ts';
import { INCIDENT_NAMES, incident } from '../../src/scenarios/replay.ts';
import { controlCells, controlsOf } from '../../src/scenarios/replay-text.ts';
import type { Act, Row, Scenario } from '../../src/scenarios/scenario.ts';

const PAGE = join(import.meta.dirname, '../..', 'docs', 'incidents.md');

const SCENARIOS = [demoScenario(), ...INCIDENT_NAMES.map(incident)].map((scenario) => [scenario.name, scenario] as const);

describe.each(SCENARIOS)('the scenario %s', (_name, scenario) => {
  const acts = [scenario.opening, ...scenario.rows.map((row) => row.acts)].flat();

  it('a scenario names only builds of its cast, each with a GUID, a sequence and a place of its own', () => {
    const cast = Object.keys(scenario.cast);
    const sentences = scenario.rows.flatMap(({ happened, must }) => [...namesIn(happened), ...namesIn(must)]);
    const names = [...acts.flatMap(namedIn), ...sentences];
    expect(names.filter((one) => one !== 'live' && !cast.includes(one))).toEqual([]);
    for (const key of ['guid', 'sequence', 'place', 'version'] as const) {
      const values = Object.values(scenario.cast).map((member) => member[key]);
      expect(new Set(values).size).toBe(values.length);
    }
  });

  it('a scenario expects of every command an exit code that its code has', () => {
    for (const act of acts) {
      if (act.do !== 'run' || act.code === undefined) continue;
      const known: Readonly<Record<string, number>> = EXIT_OF;
      expect(act.code === null ? 0 : known[act.code], act.args).toBe(act.exit);
    }
  });

  it('a scenario shows in every row what kvdeploy does, or says what is not available yet', () => {
    for (const row of scenario.rows) expect(row.acts.length + row.notBuilt.length, row.name).toBeGreaterThan(0);
    const silent = scenario.rows.filter(
      (row) => row.acts.length > 0 && !row.acts.some((act) => 'visitors' in act || act.do === 'run'),
    );
    expect(silent).toEqual([]);
  });
});

describe('the page of the incidents', () => {
  it('docs/incidents.md says what the scenarios say', async () => {
    await expect(pageOf(INCIDENT_NAMES.map(incident))).toMatchFileSnapshot(PAGE);
  });
});

function namesIn(text: string): readonly string[] {
  return [...text.matchAll(/@([a-z-]+)/g)].map((found) => found[1] ?? '');
}

/** Every name of the cast that an act uses. */
function namedIn(act: Act): readonly string[] {
  const texts = [...('args' in act ? namesIn(act.args) : []), ...namesIn(act.happened ?? '')];
  const seen = [...Object.keys(act.visitors ?? {}), ...Object.keys(act.reached ?? {})];
  switch (act.do) {
    case 'exchange':
      return [...texts, ...seen, act.at, act.binary];
    case 'list':
      return [...texts, ...seen, ...act.builds];
    case 'route':
      return [...texts, ...seen, ...Object.keys(act.split)];
    case 'begin':
      return [...texts, ...seen, act.until];
    default:
      return [...texts, ...seen];
  }
}

function pageOf(scenarios: readonly Scenario[]): string {
  const parts = [
    '# The incidents, replayed',
    [
      'kvdeploy exists because of two incidents that Cloudflare described in public in unusual detail. You can replay each in half a minute,',
      'with real HTTP requests and the real commands, on 127.0.0.1 only. Nothing is left behind.',
    ].join('\n'),
    [
      '<!-- tested by test/scenarios/replay.deep.test.ts -->',
      '```sh',
      ...scenarios.map(({ name }) => `kvdeploy replay ${name}`),
      '```',
    ].join('\n'),
    [
      'The left column shows what happened and what is done to the local world. The right column shows what kvdeploy did: its exit code and',
      'code, the GUIDs in the responses to visitors, the counters of the router, the bytes on disk. If a row ends differently than expected,',
      'the replay exits 1. `--json` prints everything as one document; `--keep` keeps the folder. Rows that need a feature that does not exist',
      'yet say so. `control` marks a row that shows one control on its own.',
    ].join('\n'),
    ...scenarios.flatMap(incidentOf),
  ];
  return `${parts.join('\n\n')}\n`;
}

function incidentOf(scenario: Scenario): readonly string[] {
  const { name, title, source, rows, checks } = scenario;
  const minutes = rows.map((row) => [row.name, row.happened, row.must, shownBy(row)]);
  const head = [`## ${name}: ${title}`, `Post-mortem: <${source}>. Times are UTC.`];
  const story = table([['time', 'what happened', 'what kvdeploy must do', 'shown by'], ...minutes]);
  if (!checks) return [...head, story];
  return [
    ...head,
    story,
    [
      'Each control stops the incident on its own. The checks of admission are tested one at a time in the core, without traffic; with all of',
      'them off, the same build would get a share of production. The other controls are shown on real traffic, in a world in which no earlier',
      'control can see the build. No kvdeploy flag turns any of them off.',
    ].join('\n'),
    table(controlCells(controlsOf(checksAlone(scenario), rows.map(asItMust)))),
  ];
}

/** Commands and how they end, as the replay expects it. */
function shownBy(row: Row): string {
  const commands = row.acts.flatMap((act) => {
    if (act.do === 'begin') return [`\`${act.args.split(' ', 1)[0]} … &\``];
    return act.do === 'run'
      ? [`\`${act.args.split(' --', 1)[0]}\`${options(act.args)} → ${act.exit}${act.code == null ? '' : ` ${act.code}`}`]
      : [];
  });
  const missing = row.notBuilt.map((capability) => `*not available yet: ${capability}*`);
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

/** The row as if it had just been played and ended as expected. */
function asItMust(row: Row): PlayedRow {
  const { name: time, control = null, approach = null, happened, must, notBuilt } = row;
  const acts = row.acts.flatMap((act) =>
    act.do === 'run'
      ? [
          {
            happened: null,
            command: act.args,
            exit: act.exit,
            code: act.code ?? null,
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
