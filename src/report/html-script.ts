/** The modules of the page's script, compiled, those first that others need. */
export const PAGE_MODULES: readonly URL[] = ['dom', 'numbers', 'tables', 'treemap', 'main'].map(
  (name) => new URL(`../report/page/${name}.js`, import.meta.url),
);

/**
 * Puts the modules into one: a page in one file can import nothing. No two of them may give
 * the same name to things of their own.
 */
export function joinModules(texts: readonly string[]): string {
  return texts
    .map((text) => text.replaceAll(/^import .*;\n/gm, '').replaceAll(/^export (?!\{)/gm, ''))
    .join('\n');
}
