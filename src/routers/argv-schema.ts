/** A program of a router's settings. Must not run it. */
import * as z from 'zod';

/** A program and its arguments. No shell reads them, so a relative path, `~` or a whole line is not a program. */
export const argvSchema = (example: string) =>
  z
    .array(
      z
        .string()
        .max(4096)
        .regex(/^[^\0]*$/, 'an argument has no NUL'),
    )
    .min(1)
    .max(100)
    .refine(([program = '']) => /^\/[^/]/.test(program), `the program is an absolute path, such as ${example}`);
