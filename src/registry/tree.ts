/** An object of a parsed text: JSON or YAML. */
export type Tree = Readonly<Record<string, unknown>>;

/** Whether a parsed document is a mapping, and neither a list nor a scalar. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
