/** Wires `validate` to the process: its findings are the result, in the format that was asked for. */
import { type Deps, done, type Outcome } from './command.ts';
import { validate } from './validate.ts';

/** With --json the findings are one document line; with --format json they are the one document. */
export async function validateCommand(
  files: readonly string[],
  options: { readonly format: 'text' | 'json' | 'github' },
  deps: Deps,
): Promise<Outcome> {
  const asLines = deps.globals.json === true;
  let text = '';
  const exitCode = await validate(
    { files, format: asLines ? 'json' : options.format, config: deps.globals.config, colour: deps.colour },
    {
      io: deps.io,
      cwd: deps.cwd,
      stdin: deps.stdin,
      out: (more) => {
        text += more;
      },
      err: (more) => {
        if (!asLines) process.stderr.write(more);
      },
    },
  );
  if (!asLines) {
    process.stdout.write(text);
    return { code: null, exitCode, message: '', silent: true };
  }
  if (text !== '') deps.line({ type: 'document', name: 'validation', data: JSON.parse(text) });
  if (exitCode === 0) return done('No findings.');
  return {
    code: exitCode === 2 ? 'MANIFEST_INVALID' : 'MANIFESTS_DISAGREE',
    message: 'There are findings.',
    hint: 'Each finding in the document says its fix.',
  };
}
