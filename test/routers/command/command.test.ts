import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { make } from '../../../src/base/changes/make.ts';
import { nodeIo } from '../../../src/io.ts';
import { command } from '../../../src/routers/command/command.ts';
import type { CommandConfig } from '../../../src/routers/command/command-config.ts';
import { freshFolder } from '../../fresh-folder.ts';
import { routerContract } from '../contract.ts';
import { changesOf } from '../readings.ts';
import { startFileWorld } from './file-world.ts';

routerContract('command', startFileWorld);

/** A program that prints this, after it has read its input, and ends with `exit`. */
function programThat(prints: string, exit = 0): CommandConfig {
  const script = join(freshFolder(), 'program');
  writeFileSync(script, `#!/bin/sh\ncat >/dev/null\n${prints}\nexit ${exit}\n`);
  chmodSync(script, 0o755);
  const [read, set, identify] = ['read', 'set', 'identify'].map((verb) => [script, verb]);
  return command.config.parse({ target: 'web', read, set, identify, places: ['blue', 'green'], timeout: '2s' }) as CommandConfig;
}

const says = (answer: object) => `printf '%s' '${JSON.stringify(answer)}'`;

const split = (percent: object, more: object = {}) => says({ formatVersion: 1, percent, ...more });

describe('what a program of the command router prints', () => {
  it.each([
    ['nothing', ':', 'it printed nothing'],
    ['words', 'echo ok', 'it did not print one JSON document'],
    ['two documents', 'echo "{}{}"', 'it did not print one JSON document'],
    ['another format', says({ formatVersion: 2, percent: { blue: 100, green: 0 } }), 'at formatVersion'],
    ['a sum of 90', split({ blue: 90, green: 0 }), 'the percentages do not sum to 100'],
    ['a sum of 140', split({ blue: 100, green: 40 }), 'the percentages do not sum to 100'],
    ['a share below zero', split({ blue: 101, green: -1 }), 'at percent.blue'],
    ['a text for a share', split({ blue: '100', green: 0 }), 'at percent.blue'],
    ['a place left out', split({ blue: 100 }), 'it does not say what green gets'],
    ['an unknown key', split({ blue: 100, green: 0 }, { servers: [] }), 'servers'],
    ['members of no place', split({ blue: 100, green: 0 }, { members: { grey: [{ name: 'g1' }] } }), 'it names members of grey'],
    [
      'a place without a server',
      split({ blue: 100, green: 0 }, { members: { green: [] } }),
      'a place that is named has a server',
    ],
    ['a prototype', `printf '%s' '{"formatVersion":1,"percent":{"__proto__":5,"blue":100,"green":0}}'`, '__proto__'],
    ['a share said twice', `printf '%s' '{"formatVersion":1,"percent":{"blue":0,"green":0,"blue":100}}'`, 'it says "blue" twice'],
    ['NaN for a share', `printf '%s' '{"formatVersion":1,"percent":{"blue":NaN,"green":0}}'`, 'one JSON document'],
    ['infinity for a share', `printf '%s' '{"formatVersion":1,"percent":{"blue":1e999,"green":0}}'`, 'at percent.blue'],
    ['more than 1 MiB', 'yes | head -c 2000000', 'more than 1048576 bytes'],
  ])('%s is never a split', async (_name, prints, why) => {
    await expect(command.read(programThat(prints), nodeIo)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining(why),
      hint: expect.stringContaining('Run it by hand'),
    });
  });

  it('a split that a failing program printed is not believed', async () => {
    const config = programThat(`echo broken >&2; ${split({ blue: 100, green: 0 })}`, 3);
    await expect(command.read(config, nodeIo)).rejects.toThrow(/it exited 3: broken/);
  });

  it('a program that does not end is killed at its deadline, and is no answer', async () => {
    await expect(command.read({ ...programThat('sleep 60'), timeout: 300 }, nodeIo)).rejects.toThrow(/did not end within 300 ms/);
  });

  it('a program that cannot be started is no answer', async () => {
    const config = { ...programThat(':'), read: ['/nowhere/program'] };
    await expect(command.read(config, nodeIo)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });

  it('the control characters of a program do not reach a terminal', async () => {
    const config = programThat(split({ blue: 100, green: 0 }, { sticky: 'a\u001b[2Jb', trouble: ['c\u001b]0;d'] }));
    const reading = await command.read(config, nodeIo);
    expect(`${reading.sticky} ${reading.trouble}`).not.toContain('\u001b');
  });
});

describe('the reading of the command router', () => {
  it('members that are down get nothing, and the rest of their place shares what it gets', async () => {
    const members = {
      green: [
        { name: 'g1', address: 'http://10.0.0.1:80' },
        { name: 'g2', up: false },
      ],
    };
    const { locations, places } = await command.read(programThat(split({ blue: 80, green: 20 }, { members })), nodeIo);
    expect(locations[0]?.members.map(({ name, up, percent, ask }) => [name, up, percent, ask.address])).toEqual([
      ['blue', true, 80, null],
      ['g1', true, 20, 'http://10.0.0.1:80'],
      ['g2', false, 0, null],
    ]);
    expect(places.find(({ place }) => place === 'green')).toMatchObject({ percent: 20, realPercent: 20 });
  });

  it('what a program calls unusable refuses a release, by the reason on one line', async () => {
    const { unusable } = await command.read(
      programThat(split({ blue: 100, green: 0 }, { unusable: 'the split\nsleeps' })),
      nodeIo,
    );
    expect(unusable?.why).toBe('the split\\nsleeps');
  });

  it('a place that only the target knows is read, and gets 0 in every change', async () => {
    const config = programThat(split({ blue: 50, green: 0, grey: 50 }));
    expect((await command.read(config, nodeIo)).places.map(({ place, percent }) => `${place}=${percent}`)).toEqual([
      'blue=50',
      'green=0',
      'grey=50',
    ]);
    const layout = [{ location: 'main', split: [share('blue', 100)], members: [{ name: 'grey', place: 'grey' }] }];
    const [change] = command.changes(config, layout, { leaving: 'at-once' });
    expect(change).toMatchObject({
      stdin: '{"formatVersion":1,"target":"web","percent":{"blue":100,"green":0,"grey":0},"leaving":"at-once"}\n',
    });
  });

  it.each([
    [undefined, 1, undefined],
    [undefined, 0.5, 'steps of 1 %'],
    [0.1, 33.3, undefined],
    [0.1, 0.01, 'steps of 0.1 %'],
    [0.01, 0.01, undefined],
    [0.01, 99.99, undefined],
  ])('the command router with steps of %s says whether %s % can be set', (smallestPercent, percent, why) => {
    const reading = { locations: [], places: [], certainty: 'configured', trouble: [] } as const;
    const said = command.impossible(
      programThat(':'),
      smallestPercent === undefined ? reading : { ...reading, smallestPercent },
      percent,
    );
    if (why === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(why);
  });
});

describe('the example script of the command router', () => {
  it.each([0, 0.1, 1, 33.3, 50, 100])('the example script sets %s % and reads it back', async (percent) => {
    const world = await startFileWorld();
    onTestFinished(() => world.close());
    const wanted = [share('blue', 100 - percent), share('green', percent)];
    for (const change of changesOf(command, world.config, wanted, { leaving: 'at-once' }))
      await make(change, nodeIo, () => undefined);
    const { places } = await command.read(world.config, nodeIo);
    expect(places.find(({ place }) => place === 'green')?.percent).toBeCloseTo(percent, 6);
  });
});

function share(place: string, percent: number) {
  return { place, build: null, percent };
}
