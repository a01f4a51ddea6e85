/** Faults of the owner rule, and of whose changes are made. */
import { type Mutant, mutant } from './mutant.ts';

const RULE = 'base/owners/path-owners.ts';

export const OF_THE_OWNERS: readonly Mutant[] = [
  mutant(
    "a folder's owner is believed whoever it is",
    'owners',
    RULE,
    '  if (stat.uid !== 0 && stat.uid !== believed.user) {',
    '  if (Number.isNaN(stat.uid)) {',
  ),
  mutant('only the last folder of a path is judged', 'owners', RULE, '  const parts = partsOf(real);', '  const parts = [real];'),
  mutant(
    'a folder on the way may be written by any user',
    'owners',
    RULE,
    "  if ((stat.mode & 0o002) !== 0) return refused('any user can write to it');\n",
    '',
  ),
  mutant(
    'a group in which no account of the files is counts as private',
    'owners',
    'base/owners/accounts.ts',
    ' && (members.length > 0 || gid === uid);',
    ';',
  ),
  mutant(
    "a group's pointer is obeyed without the machine file",
    'owners',
    'break-glass/whose.ts',
    '  if (missing === undefined) return;',
    '  if (missing === undefined || others.length > 0) return;',
  ),
  mutant(
    'break-glass runs a program that the machine file does not list, where only root wrote the pointer',
    'owners',
    'break-glass/whose.ts',
    '  if (others.length === 0 && reach.programs.length === 0) return;',
    '  if (others.length === 0) return;',
  ),
  mutant(
    'the rehearsal runs a program that is not the installed one',
    'owners',
    'commands/start/doctor/rehearsal.ts',
    '  if (other !== undefined) return [',
    '  if (other === dir) return [',
  ),
];
