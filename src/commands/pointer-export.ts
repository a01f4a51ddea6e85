/** The file that `pointer export` writes and `pointer import` and `--from` read. Must not be trusted beyond what a target confirms. */
import { resolve } from 'node:path';
import * as z from 'zod';
import { KvdeployError } from '../core/errors.ts';
import { buildSchema, guidSchema } from '../core/manifest.ts';
import { scopeSchema } from '../core/scope.ts';
import type { Deps } from './command.ts';

const exportSchema = z.strictObject({
  kind: z.literal('PointerExport'),
  formatVersion: z.literal(1),
  scope: scopeSchema,
  exportedAt: z.string(),
  build: buildSchema,
  since: z.string(),
  bad: z.array(guidSchema),
});

/** The known-good build of one scope, for another machine. */
export type PointerExport = z.infer<typeof exportSchema>;

const MAX_BYTES = 256 * 1024;

/** Reads an export. Throws USAGE when it is none. */
export function readExport(file: string, deps: Deps): PointerExport {
  const path = resolve(deps.cwd, file);
  try {
    if (deps.io.fs.statSync(path).size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return exportSchema.parse(JSON.parse(String(deps.io.fs.readFileSync(path, 'utf8'))));
  } catch (error) {
    const why =
      error instanceof z.ZodError
        ? error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
        : error instanceof Error
          ? error.message
          : String(error);
    throw new KvdeployError('USAGE', {
      message: `${file} is not a pointer export: ${why}.`,
      hint: 'Write one with: kvdeploy pointer export --env E > pointer.json',
      cause: error,
    });
  }
}
