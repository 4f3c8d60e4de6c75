/** Makes `dist/` of a folder from its `.build/`: the few files that the program starts from. */
export function bundle(folder: string): Promise<void>;
