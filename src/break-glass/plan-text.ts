/** Prints what break-glass will do, before it asks for confirmation. Must omit no change. */
import { asCommand, describe } from '../base/changes/wording.ts';
import type { Hold } from '../base/pointer/hold.ts';
import { firstOf } from '../base/text.ts';
import type { Choice } from './choose.ts';
import type { Source } from './find.ts';
import type { Voice } from './voice.ts';

export interface Shown {
  readonly source: Source;
  readonly choice: Choice;
  readonly hold: Hold | undefined;
  readonly commandFor: (guid: string) => string;
  readonly nowMs: number;
  /** For a program that rehearses, which reads no changes: thousands of members have more of them than it takes. */
  readonly brief: boolean;
}

/** How many changes a brief plan shows, and how much of each. */
const [BRIEF_CHANGES, BRIEF_CHARS] = [10, 1000];

/** Prints the build, every change in words and as a shell command, the hold, and where all this was read. */
export function showPlan(shown: Shown, voice: Voice): void {
  const { source, choice, hold } = shown;
  const { tenant, environment, service } = source.scope;
  const { build, changes, knownGoodSince, imported } = choice.restore;
  voice.say(`BREAK-GLASS  ${tenant}/${environment}/${service}`);
  voice.say(`  to       ${build.guid}  version ${build.version}, at ${build.ref}, known-good since ${knownGoodSince}`);
  voice.say(`           ${build.digest}`);
  if (imported !== undefined)
    voice.say(`           imported from another machine at ${imported.at} by ${imported.by}; never judged by gates here`);
  voice.say(`  pointer  ${source.from}, generation ${choice.pointer.generation} (${choice.pointer.why}, ${age(shown)})`);
  voice.say('  changes');
  for (const line of linesOf(shown)) voice.say(`    ${line}`);
  if (!shown.brief) {
    voice.say('  commands to do the same by hand');
    for (const change of changes) voice.command(asCommand(change));
  }
  for (const dir of source.dirs) voice.say(`  hold     ${hold === undefined ? 'will be set in' : 'already set in'} ${dir}`);
  if (hold !== undefined) voice.warn(`A hold is already set: ${hold.text}`);
  for (const { file, why } of source.damaged) voice.warn(`Damaged, not used: ${file}: ${why}`);
  for (const warning of source.warnings) voice.warn(warning);
  if (choice.others.length > 0) voice.say('  if this build is the bad one, roll back to another:');
  for (const { restore } of choice.others) voice.say(`    ${shown.commandFor(restore.build.guid)}`);
  voice.document(planDocument(shown));
}

/** Each change in words. */
function linesOf({ choice, brief }: Shown): readonly string[] {
  const lines = choice.restore.changes.map(describe);
  return brief ? firstOf(lines, BRIEF_CHANGES).map((line) => line.slice(0, BRIEF_CHARS)) : lines;
}

function planDocument(shown: Shown): unknown {
  const { source, choice, commandFor, brief } = shown;
  const { build, changes, knownGoodSince, imported } = choice.restore;
  return {
    scope: source.scope,
    build,
    knownGoodSince,
    ...(imported === undefined ? {} : { imported }),
    generation: choice.pointer.generation,
    writtenAt: choice.pointer.writtenAt,
    from: source.from,
    changes: linesOf(shown),
    commands: brief ? [] : changes.map(asCommand),
    holdDirs: source.dirs,
    damaged: source.damaged,
    others: choice.others.map(({ restore }) => ({
      guid: restore.build.guid,
      version: restore.build.version,
      command: commandFor(restore.build.guid),
    })),
  };
}

function age({ choice, nowMs }: Shown): string {
  const minutes = Math.round((nowMs - Date.parse(choice.pointer.writtenAt)) / 60_000);
  if (minutes < 0) return `timestamp is ${-minutes} min in the future: a clock is wrong`;
  if (minutes < 120) return `written ${minutes} min ago`;
  return minutes < 2880 ? `written ${Math.round(minutes / 60)} h ago` : `written ${Math.round(minutes / 1440)} days ago`;
}
