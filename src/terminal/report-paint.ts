/** The few colours and symbols of a report. Must never say anything by colour alone. */
import { Chalk } from 'chalk';

/** How one stream shows things: all functions give the text back unchanged where there is no colour. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  warn(text: string): string;
  dim(text: string): string;
  strong(text: string): string;
  readonly yes: string;
  readonly no: string;
  readonly unsure: string;
}

export function createPaint(colour: boolean, unicode: boolean): Paint {
  const chalk = new Chalk({ level: colour ? 1 : 0 });
  return {
    good: (text) => chalk.green(text),
    bad: (text) => chalk.red(text),
    warn: (text) => chalk.yellow(text),
    dim: (text) => chalk.dim(text),
    strong: (text) => chalk.bold(text),
    yes: chalk.green(unicode ? '✔' : 'ok'),
    no: chalk.red(unicode ? '✖' : 'x'),
    unsure: chalk.yellow('?'),
  };
}
