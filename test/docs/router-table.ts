/** The table of docs/routers.md, from the registry. Must not say anything of its own. */
import type { Promises, Router } from '../../src/routers/router.ts';

const ROWS: Readonly<Record<keyof Promises, string>> = {
  granularity: 'granularity',
  readBack: 'read-back',
  identity: 'who is asked which build it is',
  fencing: 'against late changes',
  sticky: 'clients that stay',
  breakGlass: 'break-glass needs',
  hosts: 'hosts',
};

/** Markdown: one column for each router, one row for each promise. */
export function promisesTable(routers: readonly Pick<Router<unknown>, 'kind' | 'promises'>[]): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rows = (Object.entries(ROWS) as [keyof Promises, string][]).map(([key, name]) =>
    row([name, ...routers.map(({ promises }) => promises[key])]),
  );
  return [row(['', ...routers.map(({ kind }) => `\`${kind}\``)]), row(['', ...routers].map(() => '---')), ...rows, ''].join('\n');
}

/** The page with this table between its two marks. */
export function withTable(page: string, table: string): string {
  return page.replace(
    /(<!-- promises: begin -->\n)[\s\S]*?(<!-- promises: end -->)/,
    (_all, begin: string, end: string) => begin + table + end,
  );
}
