/** Those by whom a store's room is told: repositories, or namespaces of some depth. */
export interface Owners {
  readonly names: readonly string[];
  /** By repository: a place in `names`. */
  readonly of: Uint32Array;
}

/** @param depth how many parts of a name make a namespace; undefined for repositories themselves. */
export function makeOwners(repositories: readonly string[], depth: number | undefined): Owners {
  const places = new Map<string, number>();
  const of = new Uint32Array(repositories.length);
  repositories.forEach((name, repository) => {
    const owner = depth === undefined ? name : namespaceOf(name, depth);
    const place = places.get(owner) ?? places.size;
    places.set(owner, place);
    of[repository] = place;
  });
  return { names: [...places.keys()], of };
}

/** The first parts of a name; a shorter name is its own. A slash at the end tells a namespace. */
export function namespaceOf(name: string, depth: number): string {
  const parts = name.split('/');
  return parts.length <= depth ? name : `${parts.slice(0, depth).join('/')}/`;
}
