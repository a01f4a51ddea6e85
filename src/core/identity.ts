/** Where a build says which one it is, as configs and plans have it. No I/O. */
import * as z from 'zod';

const headerSchema = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);

/** Where a build says which one it is. Exactly one of `header` and `json`. */
export const identitySchema = z
  .strictObject({
    path: z.string().regex(/^\/[\x21-\x7e]*$/, 'a path starts with / and has no spaces'),
    header: headerSchema.optional(),
    json: z.string().min(1).max(128).optional(),
    environmentHeader: headerSchema.optional(),
    environmentJson: z.string().min(1).max(128).optional(),
  })
  .refine((it) => (it.header === undefined) !== (it.json === undefined), 'give either header or json');

export type IdentityConfig = z.infer<typeof identitySchema>;
