import type { ForeignStore } from '../scan/foreign-signs.js';

const WHOSE: Readonly<Record<ForeignStore['kind'], string>> = {
  gitlab: "GitLab's registry with its metadata database",
  harbor: "Harbor's store",
  cache: "a pull-through cache's store",
};

/** Whose a store is whose roots are not all on its disk, and how that was told. */
export function describeForeign({ kind, sign }: ForeignStore): string {
  return `this is ${WHOSE[kind]} (${sign})`;
}
