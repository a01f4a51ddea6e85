/** Looks up what a zod schema expects at a path: its known keys and its description. Must not parse anything. */
import type * as z from 'zod';
import type { PathPart } from './nodes.ts';

type Schema = z.core.$ZodType;

/** The schema at `path` for this `value`, whose `kind` or `source` chooses between alternatives; undefined where there is none. */
export function schemaAt(schema: Schema, path: readonly PathPart[], value: unknown): Schema | undefined {
  const [part, ...rest] = path;
  const open = chosen(schema, value);
  if (part === undefined) return open;
  const inside = value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[part] : undefined;
  const { def } = (open as z.core.$ZodTypes)._zod;
  if (def.type === 'object') {
    const child = def.shape[part];
    return child && schemaAt(child, rest, inside);
  }
  if (def.type === 'record') return schemaAt(def.valueType, rest, inside);
  if (def.type === 'array') return schemaAt(def.element, rest, inside);
  return undefined;
}

/** Sees through defaults, options and transforms, and takes the alternative that the value names. */
function chosen(schema: Schema, value: unknown): Schema {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === 'optional' || def.type === 'default' || def.type === 'prefault' || def.type === 'nullable') {
    return chosen(def.innerType, value);
  }
  if (def.type === 'pipe') return chosen(def.in, value);
  if (def.type !== 'union') return schema;
  const { discriminator } = def as z.core.$ZodDiscriminatedUnionDef;
  if (discriminator === undefined) {
    const meant = wordOrMap(def.options, value);
    return meant === undefined ? schema : chosen(meant, value);
  }
  const name = value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[discriminator] : undefined;
  const option = def.options.find((each) => each._zod.propValues?.[discriminator]?.has(name as z.core.util.Primitive));
  return option === undefined ? schema : chosen(option, value);
}

/** Of a word or a map, the one that this value tries to be; undefined for any other choice. */
function wordOrMap(options: readonly Schema[], value: unknown): Schema | undefined {
  const isMap = value !== null && typeof value === 'object';
  const isWord = (each: Schema) => (each as z.core.$ZodTypes)._zod.def.type === 'enum';
  return options.some(isWord) ? options.find((each) => isWord(each) !== isMap) : undefined;
}

/** The keys that may stand in the map at `path`. */
export function knownKeys(schema: Schema, path: readonly PathPart[], value: unknown): readonly string[] {
  const found = schemaAt(schema, path, value);
  if (found === undefined) return [];
  const { def } = (found as z.core.$ZodTypes)._zod;
  return def.type === 'object' ? Object.keys(def.shape) : [];
}

/** The description of what stands at `path`. */
export function descriptionAt(schema: Schema, path: readonly PathPart[], value: unknown): string | undefined {
  const parent = schemaAt(schema, path.slice(0, -1), value);
  const last = path.at(-1);
  if (parent === undefined || last === undefined) return undefined;
  const { def } = (parent as z.core.$ZodTypes)._zod;
  const child = def.type === 'object' ? def.shape[last] : def.type === 'array' ? def.element : undefined;
  return (child as { description?: string } | undefined)?.description;
}

/** The plain value at `path`. */
export function valueAt(value: unknown, path: readonly PathPart[]): unknown {
  return path.reduce<unknown>(
    (at, part) => (at !== null && typeof at === 'object' ? (at as Record<PathPart, unknown>)[part] : undefined),
    value,
  );
}
