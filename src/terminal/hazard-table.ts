/** The table of hazards as plain text: at most 100 columns wide, in a pipe too, and a list where a terminal is narrower. */
import { safeLine } from '../base/text.ts';
import type { Control, Hazard } from '../core/admission/hazard.ts';
import { hang, sideBySide, table, wrap } from './layout.ts';

const NAME = 24;

/** Control, level and verdict; with the name, and two blanks before each, they make 100. */
const CONTROL = [29, 14, 25] as const;

const COLUMNS = 100;

const VERDICTS: Readonly<Record<Control['status'], string>> = { verified: 'yes', 'not-verified': 'NOT VERIFIED', absent: 'NO' };

/** One block of lines for each hazard: a row for each control, every cell wrapped in its column. */
export function hazardTable(hazards: readonly Hazard[], columns = COLUMNS): readonly string[] {
  const rowsOf = ({ controls }: Hazard) =>
    controls.map(({ control, level, status, detail }) => [
      safeLine(control),
      level,
      detail === '' ? VERDICTS[status] : `${VERDICTS[status]}: ${safeLine(detail)}`,
    ]);
  const nameOf = ({ hazard, controlled }: Hazard) => safeLine(controlled ? hazard : `${hazard} NOT CONTROLLED`);
  if (columns < COLUMNS)
    return [
      'hazards, what stands in their way, at which level, and whether that was verified just now',
      ...hazards.flatMap((each) => [
        hang('  ', nameOf(each), columns),
        ...rowsOf(each).map((cells) => hang('    - ', cells.join('; '), columns)),
      ]),
    ];
  const block = (name: string, rows: readonly (readonly string[])[]) =>
    sideBySide([[], wrap(name, NAME), table(rows, CONTROL)], [0, NAME]);
  return [
    'hazards',
    ...block('hazard', [['what stands in its way', 'level', 'verified just now']]),
    ...block('-'.repeat(NAME), [CONTROL.map((width) => '-'.repeat(width))]),
    ...hazards.flatMap((each) => block(nameOf(each), rowsOf(each))),
  ];
}
