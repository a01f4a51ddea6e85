/** The JSON Schemas that editors and scripts use, made from the zod definitions. Must not hold a definition of its own. */
import * as z from 'zod';
import { manifestSchema } from '../core/manifest/manifest.ts';
import { outputLineSchema } from '../core/output.ts';
import { configSchema } from './schema.ts';

const SCHEMAS = { 'release-manifest': manifestSchema, config: configSchema, 'output-line': outputLineSchema } as const;

export type SchemaName = keyof typeof SCHEMAS;

export const schemaNames = Object.keys(SCHEMAS) as readonly SchemaName[];

/** Draft 7 of JSON Schema, because SchemaStore and the YAML language server know it best. Describes what is written in files. */
export function schemaText(name: SchemaName): string {
  return `${JSON.stringify(z.toJSONSchema(SCHEMAS[name], { target: 'draft-07', io: 'input' }), null, 2)}\n`;
}
